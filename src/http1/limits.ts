// Limits of message heads. Kerberos tickets make fields of up to 64 KiB (exchange-and-peers 1.5).

/** Longest request line, status line or field line, without its CRLF. */
export const lineBytesMax = 65_536;
export const headBytesMax = 131_072;
export const fieldsMax = 256;
export const methodBytesMax = 64;
/** Largest length that a JavaScript number counts exactly. */
export const contentLengthMax = Number.MAX_SAFE_INTEGER;
export const chunkExtensionBytesMax = 256;
export const trailerBytesMax = 16_384;
/** Interim (1xx) answers before the final one. */
export const interimAnswersMax = 100;
