// What this room needs to know of an SSO domain; `SsoDomain` of config/model.ts has all of it.

export interface DirectorySettings {
  readonly name: string;
  readonly servers: readonly ServerAddress[];
  readonly transport: 'ldap' | 'starttls' | 'ldaps';
  readonly verify: boolean;
  readonly caPem: string | undefined;
  /** Of one question to one server, dialling included. */
  readonly timeoutMs: number;
  readonly realm: string;
  readonly logonFormat: NameFormat;
  readonly serverLogonFormat: NameFormat;
  readonly searchBase: string | undefined;
  readonly testUser: { readonly name: string; readonly password: string } | undefined;
}

export interface ServerAddress {
  /** As in the file: verified against its certificate. */
  readonly host: string;
  readonly port: number;
}

/** `user@realm`, `realm\\user`, or as it was typed. */
export type NameFormat = 'principal' | 'username' | 'as-typed';
