import {mkdtemp, readdir, rm, stat} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'
import type {Browser, Locator, Page} from 'playwright-core'
import {packageRoot} from '../../src/paths.js'
import {chromiumFile, startBrowser} from '../helpers/browser.js'
import {runCli} from '../helpers/cli.js'
import {python} from '../helpers/python.js'
import {startServer} from '../helpers/server.js'

const pictures = join(packageRoot, 'test', 'screenshots')
const viewport = {width: 1100, height: 760}

/** Runs the demo in a folder of its own and takes the pictures of README: the page of `serve`, and a report. */
async function makeScreenshots(): Promise<void> {
  const executable = chromiumFile()
  if (executable === undefined)
    throw new Error('There is no Chromium here (Debian: apt-get install chromium).')
  const folder = await mkdtemp(join(tmpdir(), 'vilbert-ts-screenshots-'))
  const [dataRoot, run] = [join(folder, 'data'), join(folder, 'runs', 'demo')]
  const browser = await startBrowser(executable)
  try {
    await succeed(['demo', '--data-root', dataRoot, '--output-dir', run])
    await takePage(browser, dataRoot, join(folder, 'runs'))
    await takeReport(browser, dataRoot, run)
  } finally {
    await browser.close()
    await rm(folder, {recursive: true, force: true})
  }
  for (const name of (await readdir(pictures)).filter((each) => each.endsWith('.png')))
    console.log(`${name}: ${((await stat(join(pictures, name))).size / 1000).toFixed(0)} kB`)
}

async function takePage(browser: Browser, dataRoot: string, runs: string): Promise<void> {
  const weights = join(runs, 'demo', 'best.pdparams')
  const server = await startServer(['--data-root', dataRoot, '--from-pretrained', weights, '--runs', runs])
  try {
    const page = await open(browser, server.url)
    await page.locator('#images button').first().click()
    await page.getByLabel('Phrase', {exact: true}).fill('the large one on the left')
    await page.getByText('fits “the large one on the left” best').waitFor()
    await page.locator('#words tbody tr').first().waitFor()
    await page.screenshot({path: join(pictures, 'page.png'), clip: await from(page.locator('#ask'))})
  } finally {
    await server.stop()
  }
}

async function takeReport(browser: Browser, dataRoot: string, run: string): Promise<void> {
  const output = join(run, 'report.html')
  await succeed(['report', run, '--data-root', dataRoot, '--split', 'val', '--output', output])
  const page = await open(browser, pathToFileURL(output).href)
  await page.screenshot({
    path: join(pictures, 'report.png'),
    clip: {x: 0, y: 0, ...viewport, height: 1400},
    fullPage: true,
  })
}

async function open(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage({viewport})
  await page.goto(url)
  return page
}

/** From the top of an element on, as much as is read at one glance. */
async function from(element: Locator) {
  const box = await element.boundingBox()
  return {x: 0, y: box?.y ?? 0, width: viewport.width, height: 900}
}

async function succeed(args: readonly string[]): Promise<void> {
  const {exitCode, stderr} = await runCli([...args, '--python', python], {timeoutMs: 600_000})
  if (exitCode !== 0) throw new Error(`vilbert-ts ${args.join(' ')} ended with ${exitCode}: ${stderr}`)
}

await makeScreenshots()
