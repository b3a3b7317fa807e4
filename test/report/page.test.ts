import test from 'ava'
import {createHash} from 'node:crypto'
import {readFile, stat} from 'node:fs/promises'
import {join} from 'node:path'
import {comparePairs, pair} from '../../src/report/compare-rows.js'
import {comparePage, shownChanges} from '../../src/report/html/compare-page.js'
import {reportPage, shownSentences} from '../../src/report/html/report-page.js'
import {runCli} from '../helpers/cli.js'
import {temporaryFolder} from '../helpers/golden.js'
import {hostileTexts, madeRun} from '../helpers/made-run.js'

/** The parts of a page that could load or run something, as a browser would find them. */
function checkSelfContained(t: import('ava').ExecutionContext, page: string): void {
  const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(page)?.[1] ?? ''
  const styles = [...page.matchAll(/<style>([\s\S]*?)<\/style>/g)].map((match) => match[1] ?? '')
  const scripts = [...page.matchAll(/<script>([\s\S]*?)<\/script>/g)].map((match) => match[1] ?? '')
  t.deepEqual([styles.length, scripts.length], [1, 1])
  const hash = (text = ''): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
  t.is(
    policy,
    `default-src 'none'; img-src data:; style-src ${hash(styles[0])}; script-src ${hash(scripts[0])}; base-uri 'none'; form-action 'none'`,
  )
  t.is(page.match(/<script/g)?.length, 1)
  const markup = page.replaceAll(/<(style|script)>[\s\S]*?<\/\1>/g, '')
  const attributes = [...markup.matchAll(/<[a-z][^<>]*>/gi)].flatMap(([tag]) => [
    ...tag.matchAll(/([^\s"=<>/]+)\s*=\s*"([^"]*)"/g),
  ])
  t.true(attributes.length > 100)
  const loading = attributes.filter(([, name = '']) => /^(src|href|style|on.*|.*action|srcdoc)$/i.test(name))
  const carried = /^(data:image\/jpeg;base64,[A-Za-z0-9+/=]+|#picture-\d+)$/
  t.deepEqual(
    loading.filter(([, name, value = '']) => name !== 'href' || !carried.test(value)),
    [],
  )
  t.notRegex(markup, /<(iframe|object|embed|link|base|img|video|audio|foreignObject)\b/i)
}

test('a page of a real run opens by itself, carries its pictures once and stays below 5 MB', async (t) => {
  const folder = await temporaryFolder(t)
  const [dataRoot, run] = [join(folder, 'data'), join(folder, 'run')]
  const steps = [
    ['data', 'synth', '--output', dataRoot, '--images', '60', '--seed', '1'],
    ['train', '--set', 'model=tiny', '--max-steps', '1', '--data-root', dataRoot, '--output-dir', run],
    ['report', run, '--gallery', '60'],
  ]
  for (const args of steps) {
    const {exitCode, stderr} = await runCli(args)
    t.is(exitCode, 0, stderr)
  }
  const file = join(run, 'report.html')
  const page = await readFile(file, 'utf8')
  checkSelfContained(t, page)
  t.true((await stat(file)).size < 5_000_000)
  const ids = [...page.matchAll(/<image\s+id="(picture-\d+)"/g)].map((match) => match[1])
  t.true(ids.length > 5)
  t.is(new Set(ids).size, ids.length)
  const shown = new Set([...page.matchAll(/<use href="#(picture-\d+)"/g)].map((match) => match[1]))
  t.deepEqual(shown, new Set(ids))
  t.notRegex(page, /are drawn without their picture/)
})

test('every id on a page is there once, and every chart has a title, a description and a table', (t) => {
  const run = madeRun({sentences: 60})
  const page = reportPage(run, shownSentences(run, 20), new Map())
  const ids = [...page.matchAll(/\sid="([^"]+)"/g)].map((match) => match[1])
  t.is(new Set(ids).size, ids.length)
  const charts = page.match(/<figure class="chart"[\s\S]*?<\/figure>/g) ?? []
  t.true(charts.length >= 9)
  for (const chart of charts) {
    const [, title, description] = /aria-labelledby="(\S+) (\S+)"/.exec(chart) ?? []
    t.regex(chart, new RegExp(`<title id="${title ?? '?'}">[^<]+</title>`))
    t.regex(chart, new RegExp(`<desc id="${description ?? '?'}">[^<]+</desc>`))
    t.regex(chart, /<table>/)
    t.notRegex(chart, /NaN|undefined|Infinity/)
  }
})

test('texts from outside are shown as text, wherever they stand', (t) => {
  for (const text of hostileTexts) {
    const run = madeRun({sentences: 12, text, category: text, fileName: text})
    const page = reportPage(run, shownSentences(run, 12), new Map())
    checkSelfContained(t, page)
    const judged = run.judged.get('val') ?? []
    const others = judged.map((sentence) => ({...sentence, isRight: !sentence.isRight}))
    const pairs = pair(judged, others)
    const answered = {a: judged.length, b: others.length}
    const compared = {
      names: {a: text, b: text},
      data: run.data,
      world: run.world,
      pairs,
      numbers: {
        schema: 'vilbert-ts/compare@1' as const,
        runs: {a: text, b: text},
        data: run.numbers.data,
        bootstrap: run.numbers.bootstrap,
        ...comparePairs('val', pairs, answered),
      },
    }
    checkSelfContained(t, comparePage(compared, shownChanges(compared, 12), new Map()))
  }
})

test('pictures that would make a page too large are left out, and the page says so', (t) => {
  const run = madeRun({sentences: 40})
  const shown = shownSentences(run, 40)
  const imageIds = [...new Set(shown.map(({sentence}) => sentence.imageId))]
  const pictures = new Map(imageIds.map((id) => [id, Buffer.alloc(1_000_000)]))
  const page = reportPage(run, shown, pictures)
  t.true(Buffer.byteLength(page) < 5_000_000)
  t.regex(page, new RegExp(`${imageIds.length - 2} of the images are drawn without their picture`))
})
