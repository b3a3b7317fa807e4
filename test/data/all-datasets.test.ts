import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {execa} from 'execa'
import {jsonOf, runCli} from '../helpers/cli.js'
import {madeWorld} from '../helpers/made-world.js'
import {python} from '../helpers/python.js'

/** Who split what, the split that is measured, and which split of the made world becomes which in another's. */
const cases = [
  {dataset: 'refcoco', splitBy: 'unc', split: 'testA', renamed: undefined},
  {dataset: 'refcocog', splitBy: 'umd', split: 'test', renamed: undefined},
  {dataset: 'refcoco', splitBy: 'google', split: 'test', renamed: 'testA=test'},
  {dataset: 'refcocog', splitBy: 'google', split: 'val', renamed: 'test=val'},
] as const

for (const {dataset, splitBy, split, renamed} of cases) {
  test(`${dataset} (${splitBy}) is trained for an epoch and measured on ${split}`, async (t) => {
    const dataRoot = await madeWorld(t, dataset, 16)
    if (renamed !== undefined) await splitAs(join(dataRoot, dataset), splitBy, renamed)
    const output = join(dataRoot, 'run')
    const data = ['--python', python, '--data-root', dataRoot, '--dataset', dataset, '--split-by', splitBy]
    const trained = await succeeding(t, [
      ...['train', ...data, '--set', 'model=tiny', '--output-dir', output, '--epochs', '1'],
      ...['--batch-size', '4', '--limit', '12'],
    ])
    t.like(trained, {steps: 3, epochs: 1})
    const measured = await succeeding(t, [
      ...['eval', ...data, '--set', 'model=tiny', '--split', split, '--batch-size', '8'],
      ...['--from-pretrained', join(output, 'last.pdparams')],
    ])
    t.like(measured, {split, total: await sentencesOf(t, data.slice(2), split)})
  })
}

async function sentencesOf(t: ExecutionContext, data: readonly string[], split: string): Promise<number> {
  const {splits} = (await succeeding(t, ['data', 'stats', ...data])) as {
    splits: {split: string; sentences: number}[]
  }
  const sentences = splits.find((counts) => counts.split === split)?.sentences ?? 0
  t.true(sentences > 0)
  return sentences
}

async function succeeding(t: ExecutionContext, args: readonly string[]): Promise<object> {
  const run = await runCli([...args, '--json'], {timeoutMs: 110_000})
  t.is(run.exitCode, 0, run.stdout + run.stderr)
  return jsonOf(run) as object
}

/** Writes `refs(google).p` beside the refs that were made; by Python, because they are a pickle. */
async function splitAs(folder: string, splitBy: string, renamed: string): Promise<void> {
  const program = [
    'import glob, pickle, sys',
    'refs = pickle.load(open(glob.glob("refs(*).p")[0], "rb"))',
    'old, new = sys.argv[2].split("=")',
    'for ref in refs: ref["split"] = new if ref["split"] == old else ref["split"]',
    'pickle.dump(refs, open("refs(" + sys.argv[1] + ").p", "wb"), protocol=2)',
  ]
  await execa(python, ['-c', program.join('\n'), splitBy, renamed], {cwd: folder})
}
