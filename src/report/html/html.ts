/** Markup that is safe to insert as it is. Only {@link html} and {@link trusted} make it. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  toString(): string {
    return this.text
  }
}

/** What may stand in a template: markup, text from anywhere, numbers, lists of these; nothing where it is null. */
export type Insert = Html | string | number | null | readonly Insert[]

/** Markup from a template: everything inserted is escaped unless it is markup itself, in text and in `"…"` attributes. */
export function html(parts: TemplateStringsArray, ...inserts: readonly Insert[]): Html {
  return new Html(parts.map((part, index) => part + render(inserts[index] ?? null)).join(''))
}

/** Declares text of this program itself to be markup. */
export function trusted(text: string): Html {
  return new Html(text)
}

/** Text as HTML shows it: no character of it starts a tag, ends an attribute or controls a terminal. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`)
    .replaceAll(unseen, '\uFFFD')
}

/** Control characters but for blanks, and halves of surrogate pairs. */
const unseen = /[^\P{Cc}\t\n\r]|\p{Cs}/gu

function render(insert: Insert): string {
  if (insert === null) return ''
  if (insert instanceof Html) return insert.text
  if (typeof insert === 'object') return insert.map(render).join('')
  return escapeHtml(String(insert))
}
