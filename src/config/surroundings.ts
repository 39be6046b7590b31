import type { Timing } from './build-check.ts';
import type { Resolve } from './build-servers.ts';
import type { SsoDomainBook } from './build-sso-domain.ts';
import type { CertificateBook } from './certificates.ts';
import type { Report } from './problem.ts';
import type { RuleBook } from './rules.ts';

/** What a virtual service needs to know of the rest of the file. */
export interface Surroundings {
  readonly folder: string;
  readonly timing: Timing;
  readonly subnetOriginating: boolean;
  readonly trustsProxies: boolean;
  readonly certificates: CertificateBook;
  readonly rules: RuleBook;
  readonly templateRules: RuleBook;
  readonly ssoDomains: SsoDomainBook;
  readonly resolve: Resolve;
  readonly report: Report;
  readonly warn: (text: string) => void;
}
