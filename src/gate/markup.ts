// The one place where text becomes HTML. What is put into an `html` template is escaped, unless it
// is the result of another one.

export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Insert = string | Markup | undefined;

/** `undefined` inserts nothing. */
export function html(parts: TemplateStringsArray, ...inserts: Insert[]): Markup {
  let text = parts[0] ?? '';
  inserts.forEach((insert, i) => {
    text += (insert instanceof Markup ? insert.text : escape(insert ?? '')) + (parts[i + 1] ?? '');
  });
  return new Markup(text);
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;'
};

/** Good between tags and in quoted attributes. Control characters are no part of HTML. */
function escape(text: string): string {
  return text.replace(/[^\P{Cc}\t\n]/gu, '').replace(/[&<>"']/g, (char) => entities[char] ?? '');
}
