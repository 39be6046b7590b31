// What grows, and in which steps. The first step of each is what the others are compared with.

import { templateRules, httpService, type Configuration, type Section } from './slice-ballast.ts';

export interface Step {
  readonly name: string;
  /** How many ports its services take. */
  readonly services: number;
  /** Long polls that wait beside the connections that work. */
  readonly held: number;
  configuration(ports: readonly number[], serverPort: number): Configuration;
}

export interface Growth {
  readonly name: string;
  readonly says: string;
  readonly steps: readonly Step[];
}

export const growths: readonly Growth[] = [
  {
    name: 'services',
    says: 'virtual services, nine SubVSs and rules each, all in use',
    steps: [1, 18, 200].map((count) => ({ ...plainStep(`${count}`), services: count }))
  },
  {
    name: 'prefixes',
    says: 'content rules like those of the templates, the one that matches among the last nine',
    steps: [9, 100, 1000].map((count) => rulesStep(count, (n) => `/^\\/ow${n}.*/`))
  },
  {
    name: 'regexes',
    says: 'content rules that need an automaton, the one that matches among the last nine',
    steps: [9, 100, 1000].map((count) => rulesStep(count, (n) => `/^\\/(ow|ew)[x-z]+${n}\\//`))
  },
  {
    name: 'held',
    says: 'long polls held through two workers, beside 32 connections that work',
    steps: [100, 5000, 15_000].map((count) => heldStep(count))
  },
  {
    name: 'workers',
    says: 'workers',
    steps: [1, 2].map((count) => withGlobal(plainStep(`${count}`), { workers: count }))
  }
];

function plainStep(name: string): Step {
  return {
    name,
    services: 1,
    held: 0,
    configuration: (ports, serverPort) => ({
      rules: templateRules,
      virtualServices: ports.map((port) =>
        httpService(`service ${port}`, port, templateRules, serverPort)
      )
    })
  };
}

/** All but nine belong to a SubVS that comes first and that no request is for. */
function rulesStep(count: number, pattern: (n: number) => string): Step {
  const astray = Array.from({ length: count - templateRules.length }, (_, n) => ({
    name: `astray ${n}`,
    matchType: 'regex',
    pattern: pattern(n),
    noCase: true
  }));
  return {
    ...plainStep(`${count}`),
    configuration: ([port = 0], serverPort) => {
      const service = httpService('rules', port, templateRules, serverPort);
      const names = astray.map(({ name }) => name);
      const others = [{ name: 'astray', rules: names, errorCode: 410 }];
      const own = service['subVSs'] as readonly Section[];
      return {
        rules: [...astray, ...templateRules],
        virtualServices: [{ ...service, subVSs: astray.length > 0 ? [...others, ...own] : own }]
      };
    }
  };
}

function heldStep(count: number): Step {
  const step = withGlobal(plainStep(`${count}`), { workers: 2 });
  return { ...step, held: count };
}

function withGlobal(step: Step, global: Section): Step {
  return {
    ...step,
    configuration: (ports, serverPort) => ({ ...step.configuration(ports, serverPort), global })
  };
}
