// What services with pre-authentication ask of who wants to use them: that an SSO domain knows him, and
// that he is in a group of one of some lists. Pure.

import type { Configuration, EspSettings } from '../config/model.ts';
import type { GroupList } from '../directory/directory.ts';
import { listServices, type ListedService } from './service-list.ts';

export interface Demand {
  readonly domain: string;
  /** What tells one list of groups from another. One of them will do; none = everybody may. */
  readonly groups: readonly string[];
}

interface Guarded {
  readonly listed: ListedService;
  readonly esp: EspSettings;
}

/** By full name of a service. */
export function demandsOf(configuration: Configuration): Map<string, Demand> {
  const all = guardedOf(configuration);
  return new Map(all.map((one) => [one.listed.fullName, demandOf(one, all)]));
}

/** All that services ask of this SSO domain. */
export function groupListsOf(configuration: Configuration, domain: string): readonly GroupList[] {
  const lists = guardedOf(configuration)
    .filter(({ esp }) => esp.domain === domain && !admitsAll(esp))
    .map(({ esp }) => listOf(esp));
  return [...new Map(lists.map((list) => [groupKey(list), list])).values()];
}

/** Whether it lets in whoever is in these lists of groups. */
export function meets({ groups }: Demand, memberOf: ReadonlySet<string>): boolean {
  return groups.length === 0 || groups.some((one) => memberOf.has(one));
}

export function groupKey({ names, nested }: GroupList): string {
  return JSON.stringify([names, nested]);
}

function guardedOf(configuration: Configuration): Guarded[] {
  return listServices(configuration).flatMap((listed) => {
    const { esp } = listed.service;
    return esp === undefined || esp.domain === '' ? [] : [{ listed, esp }];
  });
}

function demandOf(one: Guarded, all: readonly Guarded[]): Demand {
  const { domain } = one.esp;
  const asked = leadsNowhere(one) ? formsBeside(one, all) : [one];
  const groups = asked.some(({ esp }) => admitsAll(esp))
    ? []
    : asked.map(({ esp }) => groupKey(listOf(esp)));
  return { domain, groups: [...new Set(groups)] };
}

/**
 * The Authentication Proxy (kemp-esp 3): whoever signs in there wants to one of the forms beside it. If
 * it let everybody in, it would tell whether the password was right of who may use none of them.
 */
function leadsNowhere({ listed, esp }: Guarded): boolean {
  return esp.clientMode === 'form' && admitsAll(esp) && listed.servers.length === 0;
}

function formsBeside(one: Guarded, all: readonly Guarded[]): Guarded[] {
  return all.filter(
    (other) =>
      other.listed.virtualService === one.listed.virtualService &&
      other.esp.domain === one.esp.domain &&
      other.esp.clientMode === 'form' &&
      !leadsNowhere(other)
  );
}

function admitsAll({ allowedGroups }: EspSettings): boolean {
  return allowedGroups.length === 0;
}

function listOf({ allowedGroups, nestedGroups }: EspSettings): GroupList {
  return { names: allowedGroups, nested: nestedGroups };
}
