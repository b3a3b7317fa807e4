import test, {type ExecutionContext} from 'ava'
import {mkdir, mkdtemp, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {devices, type Browser, type BrowserContextOptions, type Page} from 'playwright-core'
import {
  healthSchema,
  imageDetailsSchema,
  imageListSchema,
  predictReplySchema,
} from '../../src/serve/schemas.js'
import {assertQuiet, chromiumFile, startBrowser, watch, type Watched} from '../helpers/browser.js'
import {demoWorld, startDemoTraining} from '../helpers/demo-training.js'
import {startServer, type TestServer} from '../helpers/server.js'

const executable = chromiumFile()
const inChromium = executable === undefined ? test.serial.skip : test.serial

let folder = ''
let dataRoot = ''
let browser: Browser
let server: TestServer

if (executable === undefined) {
  test('the page is not tried: there is no Chromium here (Debian: apt-get install chromium)', (t) => {
    t.log('skipped: all tests of the page')
    t.pass()
  })
}

test.before(async (t) => {
  if (executable === undefined) return
  folder = await mkdtemp(join(tmpdir(), 'vilbert-ts-page-'))
  browser = await startBrowser(executable)
  dataRoot = await demoWorld(t, folder)
})

test.after.always(async () => {
  if (executable === undefined) return
  await browser.close()
  await server.stop()
  await rm(folder, {recursive: true, force: true})
})

inChromium('the curve of a training grows while it runs, without the page being asked again', async (t) => {
  const runs = join(folder, 'runs')
  await mkdir(runs)
  const watching = await startServer(['--runs', runs])
  t.teardown(() => watching.stop())
  const {page, watched} = await openPage(t, watching)
  await page.getByText('There are no training runs').waitFor()
  t.false(await page.locator('#ask').isVisible())
  const training = startDemoTraining(dataRoot, join(runs, 'demo'))
  const open = page.getByRole('button', {name: 'demo'})
  await open.click({timeout: 120_000})
  const loss = page.locator('#curves figure').first()
  const counts: number[] = []
  while (counts.length < 4) {
    const before = counts.at(-1) ?? 0
    await until(async () => Number(await loss.getAttribute('data-points')) > before)
    counts.push(Number(await loss.getAttribute('data-points')))
  }
  t.log(`points of the curve: ${counts.join(', ')}`)
  t.regex((await page.locator('#run-state').textContent()) ?? '', /^running; \d of 8 epochs done$/)
  await page.getByText('finished; 8 of 8 epochs done').waitFor({timeout: 300_000})
  t.is((await training).exitCode, 0)
  t.is(await page.locator('#curves figure').nth(1).getAttribute('data-points'), '8')
  t.regex(
    (await loss.locator('svg').getAttribute('aria-label')) ?? '',
    /^Training loss, 424 steps: from .* to /,
  )
  const drawn = (await loss.locator('path.line').getAttribute('d')) ?? ''
  t.true(drawn.split('L').length > 50)
  assertQuiet(t, watched)
})

inChromium('a phrase that is typed finds its box, in nearly all images', async (t) => {
  server = await startServer([
    ...['--data-root', dataRoot, '--from-pretrained', join(folder, 'runs', 'demo', 'best.pdparams')],
    ...['--runs', join(folder, 'runs'), '--queue', '8'],
  ])
  const {page, watched} = await openPage(t, server)
  await page.locator('#images button').first().waitFor()
  const right: string[] = []
  const wrong: string[] = []
  const {images} = imageListSchema.parse(await getJson('/images?split=val&limit=12'))
  for (const {id} of images) {
    const [ref] = (await details(id)).refs
    const phrase = ref?.sentences[0] ?? ''
    await page.getByLabel('Image id').fill(String(id))
    await page.getByRole('button', {name: 'Open', exact: true}).click()
    await page.getByText(`Image ${id}, `).waitFor()
    await page.getByLabel('Phrase', {exact: true}).fill(phrase)
    await page.getByText(`fits “${phrase}” best`).waitFor()
    const box = await drawnBox(page, '.box.first')
    const meant = await drawnBox(page, '.box.target')
    const list = overlap(box, meant) > 0.5 ? right : wrong
    list.push(phrase)
  }
  t.log(`right: ${right.join('; ')}. wrong: ${wrong.join('; ')}`)
  t.true(right.length >= 10, `${right.length} of ${images.length}`)
  assertQuiet(t, watched)
})

inChromium('everything can be done with the keyboard, and is said in words', async (t) => {
  const {page, watched} = await openPage(t, server)
  await page.locator('#images button').first().waitFor()
  await page.keyboard.press('Tab')
  t.is(await focused(page), 'Skip to the question')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  // A skip link may set the focus on its target or only before it.
  if ((await focused(page)) === 'Ask') await page.keyboard.press('Shift+Tab')
  await page.keyboard.type('the large one')
  await page.keyboard.press('Enter')
  await page.locator('#words tbody tr').first().waitFor()
  const status = page.locator('#answer')
  t.is(await status.getAttribute('role'), 'status')
  t.regex(
    (await status.textContent()) ?? '',
    /^Region \d+ fits “the large one” best: score [01]\.\d\d, the next has/,
  )
  await page
    .getByRole('button', {name: /^Point out region/})
    .first()
    .focus()
  t.is(await page.locator('.box.shown').count(), 1)
  for (let tabs = 0; tabs < 5; tabs += 1) await page.keyboard.press('Tab')
  t.is(await focused(page), 'the')
  t.regex(
    (await page.locator('#attention').textContent()) ?? '',
    /^Most attention to “the” comes from region \d+ \(/,
  )
  t.true((await page.locator('.heat').count()) > 1)
  const controls = await page.locator('input:visible, select:visible, button:visible').all()
  const described = await Promise.all(controls.map((control) => control.ariaSnapshot()))
  const unnamed = described.filter((text) => !/^- \w+ "[^"]+"/.test(text))
  t.deepEqual(unnamed, [])
  assertQuiet(t, watched)
})

inChromium('what is downloaded is the answer of the API', async (t) => {
  const {page, watched} = await openPage(t, server)
  await page.locator('#images button').first().waitFor()
  await page.getByLabel('Phrase', {exact: true}).fill('green shape')
  await page.locator('#words tbody tr').first().waitFor()
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', {name: 'Download as JSON'}).click(),
  ])
  const saved = predictReplySchema.parse(JSON.parse(await readFile(await download.path(), 'utf8')))
  const answer = await fetch(`${server.url}/api/v1/predict`, {
    method: 'POST',
    headers: {'content-type': 'application/json'},
    body: JSON.stringify({image: saved.image, phrase: 'green shape', attention: true, leaveOut: true}),
  })
  t.deepEqual(saved, predictReplySchema.parse(await answer.json()))
  assertQuiet(t, watched)
})

inChromium('a phone shows all of it without scrolling sideways, and the dark are not dazzled', async (t) => {
  const {page, watched} = await openPage(t, server, {...devices['iPhone SE'], colorScheme: 'dark'})
  await page.locator('#images button').first().waitFor()
  await page.getByLabel('Phrase', {exact: true}).fill('the white one')
  await page.locator('#words tbody tr').first().waitFor()
  const widthPx = await page.evaluate<number>('document.documentElement.scrollWidth')
  t.true(widthPx <= (page.viewportSize()?.width ?? 0), `${widthPx} pixels`)
  const background = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
  t.is(background, 'rgb(20, 22, 27)')
  const buttons = await page.locator('button:visible').all()
  const boxes = await Promise.all(buttons.map((button) => button.boundingBox()))
  const small = boxes.filter((box) => (box?.height ?? 0) < 43)
  t.deepEqual(small, [])
  assertQuiet(t, watched)
})

inChromium('what goes wrong is said in words', async (t) => {
  const {page, watched} = await openPage(t, server)
  await page.locator('#images button').first().waitFor()
  const alert = page.getByRole('alert')
  watched.allowStatus(404)
  await page.getByLabel('Image id').fill('999999999')
  await page.getByRole('button', {name: 'Open', exact: true}).click()
  await alert.getByText('The data set has no image 999999999.').waitFor()

  const [, gone] = imageListSchema.parse(await getJson('/images?split=val&limit=2')).images
  const folderOfPictures = join(dataRoot, 'images', 'mscoco', 'images', 'train2014')
  await rm(join(folderOfPictures, `COCO_train2014_${String(gone?.id ?? 0).padStart(12, '0')}.jpg`))
  await page.getByLabel('Image id').fill(String(gone?.id))
  await page.getByRole('button', {name: 'Open', exact: true}).click()
  await page.getByText('The file of the picture is not there').waitFor()
  t.false(await alert.isVisible())

  watched.allowStatus(503)
  const pid = healthSchema.parse(await getJson('/health')).python?.pid
  process.kill(pid ?? Number.NaN, 'SIGSTOP')
  await page.getByLabel('Phrase', {exact: true}).fill('the red one')
  await page.getByText('Asking…').waitFor()
  await page.waitForTimeout(700)
  process.kill(pid ?? Number.NaN, 'SIGKILL')
  await page
    .getByText('The model process ended; a new one is started. Try again in 1 s. This is tried again.')
    .waitFor()
  await page.getByText('fits “the red one” best').waitFor({timeout: 60_000})
  assertQuiet(t, watched)
})

inChromium(
  'a server that wants a token is asked with it, and one that is gone is said to be gone',
  async (t) => {
    const token = 'a-token-of-enough-signs'
    const model = [
      '--data-root',
      dataRoot,
      '--from-pretrained',
      join(folder, 'runs', 'demo', 'best.pdparams'),
    ]
    const guarded = await startServer([...model, '--runs', join(folder, 'runs')], {VILBERT_TS_TOKEN: token})
    const {page, watched} = await openPage(t, guarded)
    watched.allowStatus(401)
    const alert = page.getByRole('alert')
    await alert.getByText('This server wants a token.').waitFor()
    await page.getByLabel('Token of this server').fill('not-the-token-at-all')
    await page.getByRole('button', {name: 'Use it'}).click()
    await alert.getByText('This is not the token of this server.').waitFor()
    await page.getByLabel('Token of this server').fill(token)
    await page.getByRole('button', {name: 'Use it'}).click()
    await page.locator('#picture[src^="blob:"]').waitFor()
    await until(async () => (await page.evaluate<number>('document.images[0].naturalWidth')) > 0)
    t.false(await page.getByLabel('Token of this server').isVisible())
    assertQuiet(t, watched)
    await guarded.stop()
    await page.getByLabel('Phrase', {exact: true}).fill('anything')
    await alert.getByText('The server cannot be reached. Is vilbert-ts serve still running?').waitFor()
    t.is(await page.locator('#answer').textContent(), 'There is no answer.')
  },
)

/** Opens the page of a server in a window of its own, watched from its first request on. */
async function openPage(
  t: ExecutionContext,
  {url}: TestServer,
  options: BrowserContextOptions = {},
): Promise<{page: Page; watched: Watched}> {
  const context = await browser.newContext(options)
  t.teardown(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(30_000)
  const watched = watch(page, url)
  await page.goto(url)
  return {page, watched}
}

async function getJson(path: string): Promise<unknown> {
  return await (await fetch(`${server.url}/api/v1${path}`, {headers: {accept: 'application/json'}})).json()
}

async function details(id: number) {
  return imageDetailsSchema.parse(await getJson(`/images/${id}`))
}

type Box = {readonly x: number; readonly y: number; readonly width: number; readonly height: number}

/** A box as it stands in the drawing, in pixels of the picture. */
async function drawnBox(page: Page, selector: string): Promise<Box> {
  const names = ['x', 'y', 'width', 'height']
  const rectangle = page.locator(selector).first()
  const edges = await Promise.all(names.map(async (name) => Number(await rectangle.getAttribute(name))))
  const [x = 0, y = 0, width = 0, height = 0] = edges
  return {x, y, width, height}
}

function overlap(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y)
  const shared = Math.max(0, width) * Math.max(0, height)
  return shared / (a.width * a.height + b.width * b.height - shared)
}

async function focused(page: Page): Promise<string> {
  return ((await page.locator(':focus').textContent()) ?? '').trim()
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (await holds()) return
    await delay(200)
  }
  throw new Error('it did not come to that')
}
