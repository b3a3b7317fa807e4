import {createHash} from 'node:crypto'
import {existsSync} from 'node:fs'
import {readdir, readFile} from 'node:fs/promises'
import {join, relative} from 'node:path'
import {readSidecar} from '../checkpoint/sidecar.js'
import {printable, VilbertError} from '../errors.js'
import {verifyPaths} from '../verify/verify.js'
import {filesBelow} from './files-below.js'
import {checkMetrics} from './metrics.js'
import {configFingerprint, readRunFile} from './run-file.js'
import {readStates, stateName, weightFiles, type SavedState} from './states.js'

/** One thing that is wrong with a run. */
export type RunProblem = {
  /** Relative to the run's folder. */
  readonly file: string
  readonly message: string
}

/** Whether the files of a run are whole and agree, and what is wrong with them. */
export type RunVerification = {
  readonly folder: string
  readonly ok: boolean
  readonly problems: readonly RunProblem[]
  /** What was read. */
  readonly files: number
  readonly states: number
}

/** How {@link verifyRun} is followed and stopped. */
export type VerifyRunOptions = {
  readonly signal?: AbortSignal | undefined
  /** Told how many files are checked, of all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/**
 * Checks that the files of a run are whole and agree: every tensor against its hash, every state against what resuming
 * needs, the log against the states, `last` and `best` against the states that they are of, answers against their hash.
 * @throws CheckpointError E_NO_RUN if the folder holds no run
 */
export async function verifyRun(folder: string, options: VerifyRunOptions = {}): Promise<RunVerification> {
  const run = await readRunFile(folder)
  const states = await readStates(folder)
  const problems: RunProblem[] = []
  const add = (file: string, message: string): void => {
    problems.push({file, message})
  }
  if (configFingerprint(run) !== run.fingerprints.config)
    add('run.json', 'its settings are not those of its fingerprint: they were changed afterwards')
  for (const {name, problem} of states) if (problem !== null) add(join('states', name), problem)
  const newest = states.find(({problem}) => problem === null)
  if (newest === undefined) add('states', 'there is no state that can be resumed from')
  checkPublished(folder, states, newest, add)
  await checkMetrics(folder, newest?.file ?? undefined, add)
  await checkAnswers(folder, add)
  const files = await checkHashes(folder, options, add)
  return {folder, ok: problems.length === 0, problems, files, states: states.length}
}

type Add = (file: string, message: string) => void

// Names of the same bytes are read once.
async function checkHashes(folder: string, options: VerifyRunOptions, add: Add): Promise<number> {
  const distinct = new Map(
    (await filesBelow(folder))
      .filter(({path}) => /\/(?!\.)[^/]+\.(?:pdparams|safetensors)$/.test(path))
      .map(({id, path}) => [id, path]),
  )
  const found = await verifyPaths({paths: [...distinct.values()], ...options})
  for (const {path, message} of found)
    if (message !== null) add(relative(folder, path), message.replace(/\.$/, ''))
  return found.length
}

/** `last` and `best` are further names of the weights in a state. */
function checkPublished(
  folder: string,
  states: readonly SavedState[],
  newest: SavedState | undefined,
  add: Add,
): void {
  if (newest?.file == null) return
  const {best} = newest.file
  const wanted: [string, string][] = [['last.pdparams', newest.name]]
  if (best !== null) wanted.push(['best.pdparams', stateName(best.step, best.epochs)])
  for (const [file, name] of wanted) {
    const state = states.find((each) => each.name === name)
    if (!existsSync(join(folder, file))) add(file, 'it is missing')
    else if (state === undefined) add('states', `that of ${file}, ${name}, is missing`)
    else if (!isSame(join(folder, file), state.folder)) add(file, `it is not the checkpoint of ${name}`)
  }
}

function isSame(published: string, stateFolder: string): boolean {
  const source = weightFiles.find((file) => existsSync(join(stateFolder, file))) ?? 'weights.pdparams'
  try {
    const [a, b] = [published, join(stateFolder, source)].map((path) => readSidecar(path))
    return a?.isCurrent === true && a.metadata.sampleSha256 === b?.metadata.sampleSha256
  } catch (error) {
    // What is damaged is told with its own file.
    if (error instanceof VilbertError) return false
    throw error
  }
}

async function checkAnswers(folder: string, add: Add): Promise<void> {
  const names = await readdir(join(folder, 'eval')).catch(() => [])
  for (const name of names.filter((each) => each.endsWith('.key.json'))) {
    const answers = name.replace(/\.key\.json$/, '.json')
    const [key, rows] = await Promise.all(
      [name, answers].map(async (file) => await readFile(join(folder, 'eval', file), 'utf8').catch(() => '')),
    )
    const hash = createHash('sha256')
      .update(rows ?? '')
      .digest('hex')
    if (!(key ?? '').includes(`"results": "${hash}"`))
      add(join('eval', answers), `it is not what ${printable(name)} says`)
  }
}
