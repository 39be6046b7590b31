// The services as they run: the configuration's parts with matchers compiled, schedulers made and
// real servers found. Built anew for each configuration, while real servers are kept.

import type * as model from '../config/model.ts';
import type { Matcher } from '../content-rule/content-rule.ts';
import type { Edit } from '../content-rule/edit.ts';
import type { ListedRule, RuleList } from '../content-rule/rule-list.ts';
import type { EspSettings } from '../config/model.ts';
import type { Gate } from '../gate/admit.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { ClientTls } from '../tls/contexts.ts';
import type { Persistence } from './persistence.ts';
import type { RealServer } from './real-server.ts';
import type { ServiceCounters } from './service-counters.ts';

/** Who answers: a virtual service without SubVSs, or one of its SubVSs. */
export interface Service {
  readonly settings: model.Service;
  /** `name` for a virtual service, `service/name` for a SubVS: as in logs and ids. */
  readonly fullName: string;
  readonly scheduler: Scheduler;
  /** Those of the configuration, and those removed from it that still drain. */
  readonly realServers: readonly RealServer[];
  /** Undefined = the scheduler chooses for every new connection. */
  readonly persistence: Persistence | undefined;
  /** Serves while no real server can: its own, else that of the virtual service. */
  readonly sorryServer: RealServer | undefined;
  /** Why it counts as down whatever its servers are, told anew each time (rsMinimum, critical). */
  readonly whyDown: (() => string | undefined) | undefined;
  readonly preRules: RuleList<PreRule>;
  /** Who may come near it; undefined = everybody (no ESP). */
  readonly guard: Guard | undefined;
  /** In the order of their use, those of the virtual service included. */
  readonly requestEdits: readonly Edit[];
  readonly answerEdits: readonly Edit[];
  readonly counters: ServiceCounters;
}

/** Pre-authentication of a service. */
export interface Guard {
  readonly gate: Gate;
  readonly settings: EspSettings;
  /** Names its form in login URLs: made of its full name, so that a reload leaves open forms alone. */
  readonly formId: string;
}

/** A rule that is asked before any choice. */
export interface PreRule extends ListedRule {
  readonly matches: Matcher;
  readonly mustFail: boolean;
  readonly rule: string;
}

/** One content rule in the order of precedence, and the SubVS that it leads to. */
export interface Switch extends PreRule {
  readonly service: Service;
}

export interface ListenPoint {
  /** `address:port`, what a listener is known by. */
  readonly key: string;
  readonly address: string;
  readonly port: number;
}

export interface VirtualService extends Service {
  readonly settings: model.VirtualService;
  readonly global: model.GlobalSettings;
  /** Its port, and the extra ones. */
  readonly listenPoints: readonly ListenPoint[];
  readonly switches: RuleList<Switch>;
  /** The SubVS with the rule `default`. */
  readonly defaultService: Service | undefined;
  readonly hasSubVSs: boolean;
  /** Those whose clients sign in by a form: the login URLs are theirs, whatever the rules say. */
  readonly formServices: readonly Service[];
  /** Whether browsers may bring cookies of ours: one of all services, at any port, has a form. */
  readonly seesSessions: boolean;
  /** Request fields (lower case) that only Ballast may write; empty where no service writes any. */
  readonly reservedFields: readonly string[];
  /** Strict-Transport-Security as a complete field line; '' = none of ours. */
  readonly hsts: string;
  /** http:// in a Location that leads back here becomes https:// (sslRewrite). */
  readonly securesLocation: boolean;
  /** TLS towards the servers; undefined = in clear. */
  readonly clientTls: ClientTls | undefined;
}
