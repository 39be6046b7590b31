// The flags of an exchange: one rule sets one, later rules count only with it or without it.

import type { Flags, RuleFlags } from './content-rule.ts';

export interface FlagMasks {
  readonly set: number;
  readonly needed: number;
  readonly unwanted: number;
}

/** Undefined for a rule that has nothing to do with flags, which is nearly every one. */
export function masksOf({
  setOnMatch,
  onlyOnFlag,
  onlyOnNoFlag
}: RuleFlags): FlagMasks | undefined {
  if (setOnMatch === 0 && onlyOnFlag === 0 && onlyOnNoFlag === 0) return undefined;
  return { set: bit(setOnMatch), needed: bit(onlyOnFlag), unwanted: bit(onlyOnNoFlag) };
}

/** Whether the rule counts now. */
export function counts({ needed, unwanted }: FlagMasks, { flags }: Flags): boolean {
  return (flags & needed) === needed && (flags & unwanted) === 0;
}

function bit(flag: number): number {
  return flag === 0 ? 0 : 1 << flag;
}
