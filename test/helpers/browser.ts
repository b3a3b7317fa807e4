import type {ExecutionContext} from 'ava'
import {existsSync} from 'node:fs'
import {chromium, type Browser, type Page} from 'playwright-core'

/** Where Debian and others put it. */
const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** The browser of this machine, if it has one; `VILBERT_TS_CHROMIUM` names the only one to use. */
export function chromiumFile(): string | undefined {
  const named = process.env['VILBERT_TS_CHROMIUM']
  return (named === undefined ? places : [named]).find((file) => existsSync(file))
}

/** Starts a real Chromium without a window. As root it has no sandbox to put pages into. */
export async function startBrowser(executablePath: string): Promise<Browser> {
  const args = ['--disable-background-networking', '--disable-component-update', '--no-default-browser-check']
  return await chromium.launch({executablePath, chromiumSandbox: process.getuid?.() !== 0, args})
}

/** What a page did that it should not. */
export type Watched = {readonly problems: string[]; readonly allowStatus: (status: number) => void}

/** Notes console errors, uncaught errors and every request to another place than `origin`. */
export function watch(page: Page, origin: string): Watched {
  const problems: string[] = []
  const allowed = new Set<string>()
  page.on('console', (message) => {
    const isAllowed = [...allowed].some((status) => message.text().includes(`status of ${status}`))
    if (['error', 'warning'].includes(message.type()) && !isAllowed) problems.push(message.text())
  })
  page.on('pageerror', (error) => problems.push(String(error)))
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(`${origin}/`) && !url.startsWith(`blob:${origin}/`))
      problems.push(`request to ${url}`)
  })
  return {problems, allowStatus: (status) => allowed.add(String(status))}
}

/** Nothing that the page did was wrong. */
export function assertQuiet(t: ExecutionContext, {problems}: Watched): void {
  t.deepEqual(problems, [])
}
