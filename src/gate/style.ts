// How the pages look. One column, one card, the letters of the machine it is read on; light or dark
// as its owner has it. Every pair of colours has a contrast of at least 4.5 (WCAG 2.2, AA), borders
// of fields and the ring of the focus at least 3; test/gate/pages.test.ts reckons it up.

/** Light and dark; the test reads them. */
export const colours = {
  light: {
    ground: '#eef1f4',
    card: '#ffffff',
    line: '#d5dbe1',
    edge: '#76828e',
    text: '#1b2733',
    quiet: '#52606d',
    accent: '#0b5c74',
    accentOver: '#084658',
    onAccent: '#ffffff',
    alert: '#8a1c1c',
    alertGround: '#fdf0ef',
    calm: '#084658',
    calmGround: '#eaf4f7'
  },
  dark: {
    ground: '#10161c',
    card: '#19222b',
    line: '#2c3843',
    edge: '#75838f',
    text: '#e6ebf0',
    quiet: '#a5b2be',
    accent: '#7cc7de',
    accentOver: '#a4daea',
    onAccent: '#0c2530',
    alert: '#ffb4ab',
    alertGround: '#3a1d1c',
    calm: '#a4daea',
    calmGround: '#14303b'
  }
} as const;

function variables(theme: Readonly<Record<string, string>>): string {
  return Object.entries(theme)
    .map(([name, value]) => `--${name}:${value};`)
    .join('');
}

export const styleSheet = `:root{color-scheme:light dark;${variables(colours.light)}}
@media (prefers-color-scheme:dark){:root{${variables(colours.dark)}}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;min-height:100dvh;display:flex;flex-direction:column;
  align-items:center;padding:1.5rem 1rem;background:var(--ground);color:var(--text);
  font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
  overflow-wrap:anywhere}
main{width:100%;max-width:25rem;margin:auto 0;padding:2.25rem;background:var(--card);
  border:1px solid var(--line);border-radius:14px;
  box-shadow:0 1px 2px rgb(0 0 0/.05),0 12px 32px rgb(0 0 0/.07)}
.mark{display:block;margin-bottom:1.25rem}
h1{margin:0;font-size:1.5rem;line-height:1.25;font-weight:600;letter-spacing:-.01em}
h1+p{margin-top:.5rem}
p{margin:0 0 1rem}
.greeting{color:var(--quiet);white-space:pre-line;margin-bottom:0}
form{margin-top:1.5rem}
.field{margin-bottom:1.125rem}
.field label,legend{display:block;margin-bottom:.375rem;padding:0;font-size:.9375rem;font-weight:600}
.field input{display:block;width:100%;min-height:2.875rem;padding:.5rem .75rem;
  font:inherit;color:var(--text);background:var(--card);border:1px solid var(--edge);
  border-radius:8px}
.field input[aria-invalid]{border-color:var(--alert)}
fieldset{margin:1.5rem 0 0;padding:0;border:0;min-width:0}
.choice{display:flex;gap:.75rem;align-items:flex-start;padding:.625rem .75rem;cursor:pointer;
  border:1px solid var(--line)}
.choice:first-of-type{border-radius:8px 8px 0 0}
.choice:last-of-type{border-radius:0 0 8px 8px;border-top:0}
.choice input{flex:none;width:1.125rem;height:1.125rem;margin:.1875rem 0 0;
  accent-color:var(--accent)}
.choice strong{display:block;font-weight:600;font-size:.9375rem}
.choice small{display:block;font-size:.875rem;line-height:1.4;color:var(--quiet)}
button,.button{display:block;width:100%;margin-top:1.5rem;min-height:2.875rem;padding:.625rem 1rem;border:0;
  border-radius:8px;font:inherit;font-weight:600;text-align:center;text-decoration:none;
  color:var(--onAccent);background:var(--accent);cursor:pointer}
button:hover,.button:hover{background:var(--accentOver);color:var(--onAccent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.choice:focus-within{position:relative}
a{color:var(--accent)}
a:hover{color:var(--accentOver)}
.actions{margin:0}
.notice{margin-top:1.25rem;padding:.75rem .875rem;border-left:4px solid var(--alert);
  border-radius:4px 8px 8px 4px;background:var(--alertGround);color:var(--alert)}
.notice.calm{border-color:var(--calm);background:var(--calmGround);color:var(--calm)}
.notice p{margin:0}
.notice p+p{margin-top:.5rem}
.notice a{color:inherit;font-weight:600}
@media (max-width:30rem){body{padding:0;background:var(--card)}
  main{margin:0;padding:1.75rem 1.25rem;border:0;border-radius:0;box-shadow:none}}
@media (forced-colors:active){button,.button,.notice{border:1px solid}}
`;

/** A small boat and the water that it sits deep and steady in. */
export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40">
<rect width="40" height="40" rx="9" fill="#0b5c74"/>
<path d="M19 7.500l8 10.500h-8z" fill="#7cc7de"/>
<path d="M17 11v7h-5z" fill="#ffffff"/>
<path d="M8 20.500h24a12 9 0 0 1-5.500 7.500h-13a12 9 0 0 1-5.500-7.500z" fill="#ffffff"/>
<path d="M8 31.500q3-2.500 6 0t6 0 6 0 6 0" fill="none" stroke="#7cc7de" stroke-width="2" stroke-linecap="round"/>
</svg>
`;
