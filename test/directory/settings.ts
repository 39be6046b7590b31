import type { DirectorySettings } from '../../src/directory/settings.ts';

/** Of EXAMPLE, example.test. */
export function directorySettings(change: Partial<DirectorySettings> = {}): DirectorySettings {
  return {
    name: 'EXAMPLE.TEST',
    realm: 'example.test',
    servers: [],
    transport: 'ldap',
    verify: true,
    caPem: undefined,
    timeoutMs: 5000,
    logonFormat: 'principal',
    serverLogonFormat: 'principal',
    searchBase: undefined,
    testUser: undefined,
    ...change
  };
}
