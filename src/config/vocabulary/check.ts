// What an HTTP check sends beyond its URL, what passes it, and how many servers a service needs.

import { isToken } from '../../http1/bytes.ts';
import { boolean, form, integer, list, text, word, type Kind } from '../kind.ts';
import { decodePercent } from '../percent.ts';
import { parameter } from '../section.ts';

export type CheckHeader = readonly [name: string, value: string];

/** Ballast writes these itself. */
const ownFields: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade'
]);

const headersMax = 4;
const codesMax = 32;

/** In a virtual service and in each SubVS. */
export const checkParameters = {
  checkUseGet: parameter(integer(0, 3), 0, 'guide 5.1; 0 = HEAD, 1 = GET, 2 = POST, 3 = OPTIONS'),
  checkHeaders: parameter(
    word(
      `up to ${headersMax} fields as Name:value with a vertical bar between, none of the framing`,
      parseHeaders
    ),
    '-',
    'further fields of the check; Host among them takes the place of checkHost'
  ),
  checkCodes: parameter(
    checkCodes(),
    '301 302 401',
    'codes that mean up, beside 200 to 299 which always do'
  ),
  checkPattern: parameter(
    text(250, 'a pattern'),
    '-',
    'must match the body of a 2xx answer to GET or POST, of which 64 KiB are read; as in a rule'
  ),
  checkPostData: parameter(
    form('text of up to 2047 characters', 2047, /^[^\0]*$/),
    '-',
    'body of a POST check; a Content-Type goes into checkHeaders'
  ),
  enhancedHealthChecks: parameter(
    boolean,
    false,
    'count on rsMinimum and on critical servers; else one server that is up will do'
  ),
  rsMinimum: parameter(
    integer(0, 65_535),
    0,
    'with enhancedHealthChecks: least number of servers that are up; 0 = 1'
  )
};

function parseHeaders(raw: string): readonly CheckHeader[] | undefined {
  const fields = decodePercent(raw).split('|').map(parseHeader);
  const good = fields.filter((field) => field !== undefined);
  return good.length === fields.length && good.length <= headersMax ? good : undefined;
}

function parseHeader(raw: string): CheckHeader | undefined {
  const colon = raw.indexOf(':');
  const [name, value] = [raw.slice(0, colon).trim(), raw.slice(colon + 1).trim()];
  if (colon === -1 || !isToken(name) || !/^[\t -~]*$/.test(value)) return undefined;
  return ownFields.has(name.toLowerCase().replaceAll('_', '-')) ? undefined : [name, value];
}

/** A list of numbers, or as the LoadMaster has them: in one text with blanks between. */
function checkCodes(): Kind<readonly number[]> {
  const says = `up to ${codesMax} codes from 300 to 599 with blanks between`;
  const one = word(says, (raw) => (isCode(raw) ? Number(raw) : undefined));
  const several = list(one, 'codes from 300 to 599');
  const inText = word(says, (raw) => {
    const codes = decodePercent(raw)
      .trim()
      .split(/[\s,]+/);
    return codes.every(isCode) && codes.length <= codesMax ? codes.map(Number) : undefined;
  });
  return {
    says,
    read: (node, at) => (node.kind === 'scalar' ? inText.read(node, at) : several.read(node, at))
  };
}

function isCode(raw: string): boolean {
  return /^[345][0-9]{2}$/.test(raw);
}
