// TLS of a virtual service as the configuration holds it.

export interface TlsSettings {
  /** Protocols switched off: 1 SSLv3, 2 TLS 1.0, 4 TLS 1.1, 8 TLS 1.2, 16 TLS 1.3 (`TLSType`). */
  readonly tlsType: number;
  /** OpenSSL cipher names for TLS 1.2 and older, in order of preference. */
  readonly ciphers: readonly string[];
}
