/** What may stand in an element: other nodes, or text, which stays text whatever it holds. */
export type Child = Node | string

/** Makes an HTML element. Attributes that are false or undefined are left out. */
export function element<T extends keyof HTMLElementTagNameMap>(
  tag: T,
  attributes: Readonly<Record<string, string | number | boolean | undefined>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[T] {
  const made = document.createElement(tag)
  setAll(made, attributes)
  made.append(...children)
  return made
}

/** Makes an SVG element. */
export function drawing<T extends keyof SVGElementTagNameMap>(
  tag: T,
  attributes: Readonly<Record<string, string | number | boolean | undefined>> = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[T] {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag)
  setAll(made, attributes)
  made.append(...children)
  return made
}

/** The element of the page with an id; the page and its scripts come together, so it is there. */
export function byId<T extends Element>(id: string, kind: new () => T): T {
  const found = document.getElementById(id)
  if (found instanceof kind) return found
  throw new Error(`the page has no ${kind.name} "${id}"`)
}

/** The body of a table of the page. */
export function rowsOf(tableId: string): HTMLTableSectionElement {
  const body = byId(tableId, HTMLTableElement).tBodies[0]
  if (body === undefined) throw new Error(`the table ${tableId} has no body`)
  return body
}

function setAll(
  target: Element,
  attributes: Readonly<Record<string, string | number | boolean | undefined>>,
) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) target.setAttribute(name, value === true ? '' : String(value))
  }
}
