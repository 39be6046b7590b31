// The services as they run: the configuration's parts with matchers compiled, schedulers made and
// real servers found. Built anew for each configuration, while real servers are kept.

import type * as model from '../config/model.ts';
import type { Matcher } from '../content-rule/content-rule.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { ClientTls } from '../tls/contexts.ts';
import type { RealServer } from './real-server.ts';

/** Who answers: a virtual service without SubVSs, or one of its SubVSs. */
export interface Service {
  readonly settings: model.Service;
  /** `name` for a virtual service, `service/name` for a SubVS: as in logs and ids. */
  readonly fullName: string;
  readonly scheduler: Scheduler;
  readonly realServers: readonly RealServer[];
}

/** One content rule in the order of precedence, and the SubVS that it leads to. */
export interface Switch {
  readonly matches: Matcher;
  readonly mustFail: boolean;
  readonly rule: string;
  readonly service: Service;
}

export interface VirtualService extends Service {
  readonly settings: model.VirtualService;
  readonly global: model.GlobalSettings;
  /** `address:port`, what a listener is known by. */
  readonly listenKey: string;
  readonly switches: readonly Switch[];
  /** The SubVS with the rule `default`. */
  readonly defaultService: Service | undefined;
  readonly hasSubVSs: boolean;
  /** TLS towards the servers; undefined = in clear. */
  readonly clientTls: ClientTls | undefined;
}
