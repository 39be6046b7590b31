// What Ballast's cost may be, as ratio to HAProxy's in the same run.

export interface Goal {
  readonly must: number;
  readonly aim: number;
}

const goal = (must: number, aim: number): Goal => ({ must, aim });

/** By scenario; those that are not here have none. */
export const targets: Readonly<Record<string, Goal>> = {
  plain: goal(1.15, 0.95),
  'plain-1500': goal(1, 0.85),
  'plain-log': goal(1.3, 1),
  'plain-2': goal(1.15, 0.95),
  offload: goal(1.2, 1),
  reencrypt: goal(1.25, 1.05),
  connections: goal(1.1, 0.9),
  'handshake-rsa': goal(1.1, 0.95),
  'handshake-ecdsa': goal(1.1, 0.95),
  'handshake-resumed': goal(1, 0.8),
  'http-down-1m': goal(0.85, 0.65),
  'http-up-1m': goal(0.85, 0.65),
  'http-down-1m-tls': goal(0.9, 0.65),
  'http-up-1m-tls': goal(0.9, 0.65),
  'polls-reencrypt': goal(2.8, 2),
  lines: goal(1.35, 1.15),
  'down-1m': goal(0.85, 0.7),
  'up-1m': goal(0.85, 0.7),
  'down-20m': goal(0.85, 0.7),
  'up-20m': goal(0.85, 0.7)
};
