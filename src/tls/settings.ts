// TLS of a virtual service as the configuration holds it.

export interface TlsSettings {
  /** Protocols switched off: 1 SSLv3, 2 TLS 1.0, 4 TLS 1.1, 8 TLS 1.2, 16 TLS 1.3 (`TLSType`). */
  readonly tlsType: number;
  /** OpenSSL cipher names in order of preference; those of TLS 1.3 begin with `TLS_`. */
  readonly ciphers: readonly string[];
  /** Only clients that ask for a name which one of the certificates has. */
  readonly needHostName: boolean;
  /** Authorities of the certificates that clients must show; undefined asks for none. */
  readonly clientCaPem: string | undefined;
  readonly ocspStapling: boolean;
}

/** What the servers get to know of a client's certificate; `ClientCert` 0 and 1 tell them nothing. */
export type ClientCertFields = 'none' | 'names' | 'ssl-client-cert' | 'x-client-cert';
