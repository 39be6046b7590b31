// Content rules as the configuration holds them, by the LoadMaster's parameters. One kind looks at
// a request and answers yes or no (type 0), the others change a head on its way (types 1 to 4).

/** What all rules have: flags 1 to 9 of an exchange, by which rules speak to later ones; 0 = none. */
export interface RuleFlags {
  readonly name: string;
  /** Set by a rule that matches or changes something. */
  readonly setOnMatch: number;
  /** The rule counts only while this flag is set. */
  readonly onlyOnFlag: number;
  /** The rule counts only while this flag is not set. */
  readonly onlyOnNoFlag: number;
}

export interface ContentRule extends RuleFlags {
  readonly type: 'matchContent';
  readonly matchType: 'regex' | 'prefix' | 'postfix';
  /** As written, percent encoding already undone; slashes around it make it a Perl expression. */
  readonly pattern: string;
  readonly noCase: boolean;
  readonly negate: boolean;
  /** Put the host name before the path. */
  readonly incHost: boolean;
  /** Put `?query` after the path. */
  readonly incQuery: boolean;
  /** '' = the URL; `method`, `src-ip`, or the lower-case name of a header field. */
  readonly header: string;
  /** A match refuses the request. */
  readonly mustFail: boolean;
}

/** Adds a field behind all others, beside any of that name. */
export interface AddHeaderRule extends RuleFlags {
  readonly type: 'addHeader';
  readonly header: string;
  readonly replacement: string;
}

export interface DeleteHeaderRule extends RuleFlags {
  readonly type: 'deleteHeader';
  /** The name of a field, or a Perl expression between slashes that finds names. */
  readonly pattern: string;
}

/** Where the pattern matches the value of a field of this name, the whole value is replaced. */
export interface ReplaceHeaderRule extends RuleFlags {
  readonly type: 'replaceHeader';
  readonly header: string;
  readonly pattern: string;
  readonly noCase: boolean;
  /** `\1` to `\9` stand for what the pattern captured. */
  readonly replacement: string;
}

/** Where the pattern matches path and query, both are replaced together. */
export interface ModifyUrlRule extends RuleFlags {
  readonly type: 'modifyUrl';
  readonly pattern: string;
  readonly noCase: boolean;
  readonly replacement: string;
}

export type Rule = ContentRule | EditRule;
export type EditRule = AddHeaderRule | DeleteHeaderRule | ReplaceHeaderRule | ModifyUrlRule;

/** The flags of the present exchange, bit 1 to bit 9. */
export interface Flags {
  flags: number;
}

/** What a rule may ask about a request. Each is read only when a rule wants it. */
export interface RequestFacts extends Flags {
  /** Path without query, as the client wrote it. */
  path(): string;
  /** `?...` with the question mark, or ''. */
  query(): string;
  /** Host without port, lower case; '' when the request names none. */
  host(): string;
  method(): string;
  sourceAddress(): string;
  /** All values of the field, joined by `, `; undefined when absent. `name` is lower case. */
  header(name: string): string | undefined;
}

/** A rule made ready: one call, no compilation, time linear in what it looks at. */
export type Matcher = (facts: RequestFacts) => boolean;
