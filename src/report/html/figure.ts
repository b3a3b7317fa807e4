import {html, type Html} from './html.js'

export type Table = {
  readonly heading: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export type Legend = readonly {readonly className: string; readonly text: string}[]

export type Figure = {
  /** Unique on the page. */
  readonly id: string
  readonly title: string
  /** What the picture shows, for those who do not see it. */
  readonly description: string
  readonly widthPx: number
  readonly heightPx: number
  readonly legend?: Legend
  readonly drawing: readonly Html[]
  /** The same in numbers. */
  readonly table: Table
  readonly note?: string
}

/** A chart with its title, its legend, and the numbers behind it. */
export function figure({
  id,
  title,
  description,
  widthPx,
  heightPx,
  legend,
  drawing,
  table,
  note,
}: Figure): Html {
  return html`<figure class="chart" id="${id}">
    <figcaption>${title}</figcaption>
    ${legend === undefined ? null : legendList(legend)}
    <svg viewBox="0 0 ${widthPx} ${heightPx}" role="img" aria-labelledby="${id}-title ${id}-description">
      <title id="${id}-title">${title}</title>
      <desc id="${id}-description">${description}</desc>
      ${drawing}
    </svg>
    ${note === undefined ? null : html`<p class="note">${note}</p>`}
    <details>
      <summary>Numbers</summary>
      ${tableOf(table, title)}
    </details>
  </figure>`
}

/** A table that scrolls by itself where the page is narrow. */
export function tableOf({heading, rows}: Table, caption: string): Html {
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0">
    <table>
      <thead>
        <tr>
          ${heading.map((cell) => html`<th scope="col">${cell}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ([first = '', ...rest]) =>
            html`<tr>
              <th scope="row">${first}</th>
              ${rest.map((cell) => html`<td>${cell}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`
}

function legendList(legend: Legend): Html {
  return html`<ul class="legend">
    ${legend.map(
      ({className, text}) =>
        html`<li>
          <svg viewBox="0 0 14 10" aria-hidden="true">
            <rect class="${className}" width="14" height="10" rx="2" /></svg
          >${text}
        </li>`,
    )}
  </ul>`
}
