import t from 'tap';
import { judgeBind } from '../../src/directory/verdict.ts';

t.test('what a result code says', async (t) => {
  const ad = (data: string): string =>
    `80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data ${data}, v1db1`;
  const cases: readonly (readonly [code: number, text: string, want: string])[] = [
    [0, '', 'welcome'],
    [49, ad('52e'), 'denied refused'],
    [49, ad('525'), 'denied refused'],
    [49, ad('530'), 'denied refused'],
    [49, ad('531'), 'denied refused'],
    [49, ad('533'), 'denied disabled'],
    [49, ad('701'), 'denied disabled'],
    [49, ad('775'), 'denied locked'],
    [49, ad('532'), 'expired false'],
    [49, ad('773'), 'expired true'],
    [49, ad('DEAD'), 'denied refused'],
    [49, '', 'denied refused'],
    [49, 'data 7735', 'denied refused'],
    // Only a refusal can say that a password has expired.
    [52, ad('773'), 'unable'],
    [0, ad('52e'), 'welcome'],
    [19, '', 'denied refused'],
    [34, '', 'denied refused'],
    [8, '', 'unable'],
    [13, '', 'unable'],
    [51, '', 'unable'],
    [10, '', 'unable'],
    [14, '', 'unable'],
    [4711, '', 'unable']
  ];
  for (const [code, text, want] of cases) {
    const verdict = judgeBind(code, text);
    const { cause, mustChange } = { cause: undefined, mustChange: undefined, ...verdict };
    t.equal([verdict.outcome, cause ?? mustChange].join(' ').trim(), want, `${code} ${text}`);
  }
});

t.test('the words of a server are not repeated', async (t) => {
  for (const code of [1, 49, 52, 99]) {
    t.notMatch(JSON.stringify(judgeBind(code, 'canary data 52e')), /canary/);
  }
});
