// From a configuration to running services. What stays the same between two configurations (real
// servers, by id) is taken over with its health, its counters and its connections.

import type * as model from '../config/model.ts';
import { compileRule } from '../content-rule/compile.ts';
import { schedulers } from '../scheduler/registry.ts';
import { buildClientTls } from '../tls/contexts.ts';
import { RealServer } from './real-server.ts';
import type { Service, Switch, VirtualService } from './virtual-service.ts';

/** All that runs for one configuration. Replaced as a whole by one assignment. */
export interface Plan {
  readonly revision: number;
  readonly global: model.GlobalSettings;
  readonly certificates: readonly model.Certificate[];
  readonly virtualServices: readonly VirtualService[];
  readonly realServers: ReadonlyMap<string, RealServer>;
}

export interface BuildInput {
  readonly revision: number;
  readonly configuration: model.Configuration;
  readonly health: readonly (readonly [id: string, health: model.Health])[];
  /** Real servers of the plan before. */
  readonly known: ReadonlyMap<string, RealServer>;
  /** Differs between workers, so that not all begin with the same server. */
  readonly turn: number;
}

export function buildPlan(input: BuildInput): Plan {
  const { configuration, known, turn } = input;
  const health = new Map(input.health);
  const realServers = new Map<string, RealServer>();

  function realServer(settings: model.RealServer): RealServer {
    const server = known.get(settings.id) ?? new RealServer(settings);
    server.settings = settings;
    server.health = health.get(settings.id) ?? server.health;
    server.suspected = false;
    realServers.set(settings.id, server);
    return server;
  }

  function service(settings: model.Service, fullName: string): Service {
    return {
      settings,
      fullName,
      scheduler: schedulers[settings.schedule](turn),
      realServers: settings.realServers.map(realServer)
    };
  }

  function virtualService(settings: model.VirtualService): VirtualService {
    const subVSs = settings.subVSs.filter((subVS) => subVS.enable);
    const services = subVSs.map((subVS) => service(subVS, `${settings.name}/${subVS.name}`));
    const defaultIndex = subVSs.findIndex((subVS) => subVS.isDefault);
    return {
      ...service(settings, settings.name),
      settings,
      global: configuration.global,
      listenKey: listenKey(settings),
      hasSubVSs: settings.subVSs.length > 0,
      switches: subVSs.flatMap((subVS, i) => switches(subVS, services[i])),
      defaultService: services[defaultIndex],
      clientTls: settings.reencrypt === undefined ? undefined : buildClientTls(settings.reencrypt)
    };
  }

  return {
    revision: input.revision,
    global: configuration.global,
    certificates: configuration.certificates,
    virtualServices: configuration.virtualServices
      .filter((settings) => settings.enable)
      .map(virtualService),
    realServers
  };
}

function switches(subVS: model.SubVirtualService, service: Service | undefined): Switch[] {
  if (service === undefined) return [];
  return subVS.rules.map((rule) => ({
    matches: compileRule(rule),
    mustFail: rule.mustFail,
    rule: rule.name,
    service
  }));
}

/** What a listener is known by. */
export function listenKey(settings: { readonly address: string; readonly port: number }): string {
  const { address, port } = settings;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
