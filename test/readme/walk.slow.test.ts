import {cp, copyFile, mkdir, mkdtemp, readFile, rm, stat} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {execa} from 'execa'
import {packageRoot} from '../../src/paths.js'
import {codeBlocks, readDocument, section} from '../helpers/readme.js'
import {python} from '../helpers/python.js'
import {freeMaster} from '../helpers/two-processes.js'

// A newcomer's way: a clone, and then what the documents say, in their order. Saved against the network: the npm
// packages are copied from here, and the Python that computes is the one of the other tests.
let clone: string

test.before('clone', async (t) => {
  t.timeout(600_000)
  clone = join(await mkdtemp(join(tmpdir(), 'vilbert-ts-walk-')), 'vilbert-ts')
  await execa('git', ['clone', '--quiet', packageRoot, clone])
  // What is not committed yet is part of the walk, too.
  const changed = await execa('git', ['ls-files', '--modified', '--others', '--exclude-standard'], {
    cwd: packageRoot,
  })
  for (const file of changed.stdout.split('\n').filter((name) => name !== '')) {
    await mkdir(dirname(join(clone, file)), {recursive: true})
    await copyFile(join(packageRoot, file), join(clone, file)).catch(ignoreDeleted)
  }
  await cp(join(packageRoot, 'node_modules'), join(clone, 'node_modules'), {
    recursive: true,
    verbatimSymlinks: true,
  })
})

test.after.always(() => rm(dirname(clone), {recursive: true, force: true}))

test.serial('the tour: demo, data, eval, predict, a changed value, train, report, compare', async (t) => {
  t.timeout(1_500_000)
  // The demo is run whole: the tour asks about a picture of it, and fewer epochs do not teach it to read.
  const said = await follow(t, section(await readDocument('README.md'), 'Five-minute tour'))
  t.regex(said, /Accuracy on val \d\d\.\d %; with phrases of other images \d+\.\d %\./)
  t.regex(said, /testA: accuracy \d\d\.\d\d % \(\d+ of 270 sentences\)/)
  t.regex(said, /Drawn in checkpoints\/drawn\/1-9854-little-white-crescent\.png/)
  t.regex(said, /training\.lr +0\.0005 +--set/)
  const lines = (await readFile(join(clone, 'checkpoints/mine/run.json'), 'utf8')).replaceAll(/\s/g, '')
  t.true(lines.includes('0.0005'))
  for (const file of [
    'checkpoints/mine/best.pdparams',
    'checkpoints/mine/report.html',
    'checkpoints/changes.html',
  ])
    t.true((await stat(join(clone, file))).size > 10_000, file)
  const {stdout} = await execa('git', ['status', '--porcelain', '--', 'checkpoints', 'data'], {cwd: clone})
  t.is(stdout, '', 'nothing that the tour makes is taken for a part of the project')
})

test.serial(
  'RefCOCO+ from download to report, on a small world and with a small model in its place',
  async (t) => {
    t.timeout(900_000)
    const document = section(await readDocument('README.md'), 'RefCOCO+, from download to 72.7 %')
    const root = 'data/real'
    await shell(t, `vilbert-ts data synth --output ${root} --images 60 --seed 5\n`)
    for (const weights of document.matchAll(/data\/real\/\S+\.pdparams/g)) {
      await mkdir(join(clone, dirname(weights[0])), {recursive: true})
      await copyFile(join(clone, 'checkpoints/demo/best.pdparams'), join(clone, weights[0]))
    }
    // What cannot be had here is replaced: addresses are not asked, the model is the demo's, one epoch is enough, and
    // both nodes are this machine.
    const master = await freeMaster()
    const said = await follow(t, document, [
      [/^(vilbert-ts data download .*)$/gm, '$1 --dry-run'],
      [/model=bert_base_6layer_6conect/g, 'model=tiny'],
      [/--output-dir checkpoints\/refcoco\+/g, '$& --epochs 1 --batch-size 64'],
      [
        /^(vilbert-ts train .*\\\n.* --nnodes 2) --node-rank 0 --master \S+$/gm,
        `$1 --node-rank 1 --master ${master} --overwrite &\n$1 --node-rank 0 --master ${master} --overwrite\nwait $!`,
      ],
    ])
    t.regex(said, /refcoco\+-features +present/)
    t.regex(said, /^val: accuracy/m)
    t.regex(said, /^testB: accuracy/m)
    t.regex(said, /^Took part in 1 epochs/m)
    t.true((await stat(join(clone, 'checkpoints/refcoco+/report.html'))).size > 10_000)
  },
)

test.serial('the commands of data/README.md, with fewer pictures and no address asked', async (t) => {
  t.timeout(600_000)
  const said = await follow(t, await readDocument('data/README.md'), [
    [/^(vilbert-ts data download .*?)( +#.*)?$/gm, '$1 --dry-run'],
    [/--images 400/g, '--images 60'],
  ])
  t.regex(said, /^4 files, 0 bad$/m)
})

test.serial('the commands of checkpoints/README.md', async (t) => {
  t.timeout(600_000)
  const said = await follow(t, await readDocument('checkpoints/README.md'))
  t.regex(said, /^checkpoints\/demo: good/m)
  t.true((await stat(join(clone, 'checkpoints/demo.safetensors'))).size > 10_000)
})

type Substitution = readonly [pattern: RegExp, replacement: string]

/** Runs all shell blocks of a document as one session, and gives what was said; a command that fails ends it. */
function follow(
  t: ExecutionContext,
  document: string,
  changes: readonly Substitution[] = [],
): Promise<string> {
  let script = codeBlocks(document, 'sh').join('\n')
  for (const [pattern, replacement] of changes) {
    t.regex(script, pattern, 'what is replaced is there')
    script = script.replaceAll(pattern, replacement)
  }
  return shell(t, script)
}

async function shell(t: ExecutionContext, script: string): Promise<string> {
  const alias = section(await readDocument('README.md'), 'Five-minute tour').match(/^alias .*$/m)?.[0] ?? ''
  const input = `shopt -s expand_aliases\n${alias}\n${script}`
  const {all, exitCode} = await execa('bash', ['-e'], {
    cwd: clone,
    input,
    env: {NODE_ENV: '', VILBERT_TS_PYTHON: python},
    all: true,
    reject: false,
  })
  t.is(exitCode, 0, all)
  return all
}

function ignoreDeleted(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}
