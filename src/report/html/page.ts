import {createHash} from 'node:crypto'
import {html, trusted, type Html} from './html.js'
import {pageScript} from './page-script.js'
import {pageStyle} from './page-style.js'

export type Page = {
  readonly title: string
  /** One line below the title: what this is of. */
  readonly origin: string
  readonly body: Html
  readonly footer: string
}

/**
 * A page that needs nothing but itself, and may load nothing: its policy allows the one style and the one script that
 * it carries, by their hashes, and pictures that are written into it.
 */
export function page({title, origin, body, footer}: Page): string {
  const policy = [
    "default-src 'none'",
    'img-src data:',
    `style-src '${hashOf(pageStyle)}'`,
    `script-src '${hashOf(pageScript)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
  // As text, not as a template: a blank more or less, and the hash would not fit.
  const style = trusted(`<style>${pageStyle}</style>`)
  const script = trusted(`<script>${pageScript}</script>`)
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${trusted(policy)}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="referrer" content="no-referrer" />
        <title>${title}</title>
        ${style}
      </head>
      <body>
        <header>
          <h1>${title}</h1>
          <p class="origin">${origin}</p>
        </header>
        <main>${body}</main>
        <footer><p>${footer}</p></footer>
        ${script}
      </body>
    </html> `.text.trimEnd()
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}
