// From a configuration to running services. What stays the same between two configurations (real
// servers, by id) is taken over with its health, its counters and its connections.

import { hash } from 'node:crypto';
import type * as model from '../config/model.ts';
import { compileRule, neededTexts } from '../content-rule/compile.ts';
import type { ContentRule } from '../content-rule/content-rule.ts';
import { compileEdit } from '../content-rule/edit.ts';
import { RuleList } from '../content-rule/rule-list.ts';
import { compileGate } from '../gate/admit.ts';
import { whyBelowMinimum } from '../health-check/health.ts';
import { formatEndpoint } from '../net/address.ts';
import { schedulers } from '../scheduler/registry.ts';
import { slowStart } from '../scheduler/slow-start.ts';
import { certificateFieldNames, connectionFieldNames } from '../tls/client-certificate.ts';
import { buildClientTls } from '../tls/contexts.ts';
import { PlanServers, type ServersInput } from './plan-servers.ts';
import type { RealServer } from './real-server.ts';
import { persistenceBuilder } from './persistence.ts';
import { ServiceCounters } from './service-counters.ts';
import type { ListenPoint, PreRule, Service, Switch, VirtualService } from './virtual-service.ts';

/** All that runs for one configuration. Replaced as a whole by one assignment. */
export interface Plan {
  readonly revision: number;
  readonly global: model.GlobalSettings;
  readonly certificates: readonly model.Certificate[];
  readonly virtualServices: readonly VirtualService[];
  readonly realServers: ReadonlyMap<string, RealServer>;
  /** By full name of a virtual service or SubVS. */
  readonly counters: ReadonlyMap<string, ServiceCounters>;
}

export interface BuildInput extends ServersInput {
  readonly revision: number;
  readonly configuration: model.Configuration;
  /** Counters of the plan before. */
  readonly counters: ReadonlyMap<string, ServiceCounters>;
  /** Differs between workers, so that not all begin with the same server. */
  readonly turn: number;
  /** For what clients must not be able to make up; the same in all workers. */
  readonly secret: string;
}

type Tls = model.VirtualService['tls'];

export function buildPlan(input: BuildInput): Plan {
  const { configuration, turn } = input;
  const { drainTimeMs, slowStartMs } = configuration.global;
  const reservedFields = reservedFieldsOf(configuration);
  const seesSessions = hasForms(configuration);
  const ramp = slowStart(slowStartMs, input.clock);
  const servers = new PlanServers(input, drainTimeMs);
  const counters = new Map<string, ServiceCounters>();
  const buildPersistence = persistenceBuilder(configuration, input.secret);

  function service(settings: model.Service, fullName: string, tls: Tls, above?: Service): Service {
    const { standby, notAvailable } = settings;
    const own = settings.realServers.map((server) => servers.take(server));
    const realServers = [...own, ...servers.takeLeaving(fullName)];
    const ownSorry = standby === undefined ? undefined : servers.take(standby);
    return {
      settings,
      fullName,
      scheduler: schedulers[settings.schedule](turn, ramp),
      realServers,
      persistence: buildPersistence(settings.persistence, fullName, realServers, tls),
      // An answer of its own goes before a sorry server of the virtual service.
      sorryServer: ownSorry ?? (notAvailable === undefined ? above?.sorryServer : undefined),
      whyDown: whyDownOf(settings, own),
      guard: guardOf(settings, fullName),
      ...rulesOf(settings, above),
      counters: takeOver(fullName, input.counters, counters)
    };
  }

  function virtualService(settings: model.VirtualService): VirtualService {
    const subVSs = settings.subVSs.filter((subVS) => subVS.enable);
    const own = service(settings, settings.name, settings.tls);
    const services = subVSs.map((subVS) =>
      service(subVS, `${settings.name}/${subVS.name}`, settings.tls, own)
    );
    const defaultIndex = subVSs.findIndex((subVS) => subVS.isDefault);
    // One object with its service, since it is that where there are no SubVSs.
    return Object.assign(own, {
      settings,
      global: configuration.global,
      listenPoints: listenPointsOf(settings),
      hasSubVSs: settings.subVSs.length > 0,
      switches: switchesOf(subVSs, services),
      formServices: (settings.subVSs.length > 0 ? services : [own]).filter(isForm),
      seesSessions,
      defaultService: services[defaultIndex],
      reservedFields,
      hsts: hstsOf(settings),
      securesLocation: settings.tls?.rewriteLocation ?? false,
      clientTls: settings.reencrypt === undefined ? undefined : buildClientTls(settings.reencrypt)
    });
  }

  const virtualServices = configuration.virtualServices
    .filter((settings) => settings.enable)
    .map(virtualService);
  servers.takeAllLeaving();
  return {
    revision: input.revision,
    global: configuration.global,
    certificates: configuration.certificates,
    virtualServices,
    realServers: servers.all,
    counters
  };
}

/**
 * What any service tells the servers of a client's TLS. No service lets a client write that: the
 * servers that believe it stand behind the others as well.
 */
function reservedFieldsOf({ virtualServices }: model.Configuration): readonly string[] {
  const all = virtualServices.flatMap(({ tls }) => (tls === undefined ? [] : [tls]));
  return [
    ...(all.some((tls) => tls.clientCertFields !== 'none') ? certificateFieldNames : []),
    ...(all.some((tls) => tls.connectionFields) ? connectionFieldNames : [])
  ];
}

function hstsOf({ tls }: model.VirtualService): string {
  const value = tls?.strictTransportSecurity ?? '';
  return value === '' ? '' : `Strict-Transport-Security: ${value}\r\n`;
}

function takeOver(
  fullName: string,
  known: ReadonlyMap<string, ServiceCounters>,
  into: Map<string, ServiceCounters>
): ServiceCounters {
  const found = known.get(fullName) ?? new ServiceCounters();
  into.set(fullName, found);
  return found;
}

function guardOf({ esp }: model.Service, fullName: string): Service['guard'] {
  if (esp === undefined) return undefined;
  return { gate: compileGate(esp), settings: esp, formId: hash('sha256', fullName).slice(0, 8) };
}

function hasForms({ virtualServices }: model.Configuration): boolean {
  const all = virtualServices.flatMap((one) => [one, ...one.subVSs]);
  return all.some(({ esp }) => esp?.clientMode === 'form');
}

function isForm({ guard }: Service): boolean {
  return guard?.settings.clientMode === 'form';
}

function whyDownOf(
  { rsMinimum }: model.Service,
  servers: readonly RealServer[]
): Service['whyDown'] {
  return rsMinimum === undefined ? undefined : () => whyBelowMinimum(rsMinimum, servers);
}

/** Around a SubVS stand the rules of its virtual service: first at the request, last at the answer. */
function rulesOf(
  settings: model.Service,
  above: Service | undefined
): Pick<Service, 'preRules' | 'requestEdits' | 'answerEdits'> {
  return {
    preRules: new RuleList(settings.preProcessRules.map(preRule)),
    requestEdits: [...(above?.requestEdits ?? []), ...settings.requestRules.map(compileEdit)],
    answerEdits: [...settings.responseRules.map(compileEdit), ...(above?.answerEdits ?? [])]
  };
}

function preRule(rule: ContentRule, order: number): PreRule {
  const { name, mustFail } = rule;
  return { matches: compileRule(rule), mustFail, rule: name, order, needs: neededTexts(rule) };
}

function switchesOf(
  subVSs: readonly model.SubVirtualService[],
  services: readonly Service[]
): RuleList<Switch> {
  const all = subVSs.flatMap(({ rules }, i) => {
    const service = services[i];
    return service === undefined ? [] : rules.map((rule) => ({ rule, service }));
  });
  return new RuleList(all.map(({ rule, service }, n) => ({ ...preRule(rule, n), service })));
}

function listenPointsOf({ address, port, extraPorts }: model.VirtualService): ListenPoint[] {
  return [port, ...extraPorts].map((one) => ({
    key: formatEndpoint(address, one),
    address,
    port: one
  }));
}
