import {existsSync} from 'node:fs'
import {join} from 'node:path'
import {kebabCase} from '../config/kebab-case.js'
import {loadConfig, parseModelConfig, type LoadedConfig} from '../config/load.js'
import {CheckpointError, ConfigError, printable} from '../errors.js'
import {nodeName, type Nodes} from '../model/nodes.js'
import {readRunFile} from './run-file.js'

/** Which state of which run goes on. */
export type ResumePoint = {readonly folder: string; readonly state: 'last' | 'best'}

/**
 * Reads `--resume DIR|last|best`: a folder means its last state, the words mean one of `--output-dir`.
 * @throws ConfigError if a word comes without a folder
 */
export function resumePoint(resume: string, outputDir: string | undefined): ResumePoint {
  if (resume !== 'last' && resume !== 'best') return {folder: resume, state: 'last'}
  if (outputDir !== undefined) return {folder: outputDir, state: resume}
  throw new ConfigError(`--resume ${resume} does not say of which run.`, {
    next: `Add --output-dir DIR, or pass the folder itself: --resume DIR.`,
  })
}

/**
 * The configuration that a run was started with, with flags laid over it.
 * @param nodes - The machines that go on with it: each reads the state.
 * @throws CheckpointError if the folder holds no run
 */
export async function resumedConfig(
  {folder}: ResumePoint,
  flags: Readonly<Record<string, unknown>>,
  nodes?: Nodes,
): Promise<LoadedConfig> {
  const run = await readRunFile(folder).catch((error: unknown) => {
    throw nodes === undefined || existsSync(join(folder, 'run.json'))
      ? error
      : notShared(folder, nodes, error)
  })
  const written = {...asFlags(run.data), ...asFlags(run.training), 'output-dir': folder}
  const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined))
  const config = await loadConfig({flags: {...written, ...given, 'output-dir': folder}})
  return {...config, model: parseModelConfig(run.model, `run.json of ${folder}`)}
}

function notShared(folder: string, nodes: Nodes, cause: unknown): CheckpointError {
  return new CheckpointError(`${nodeName(nodes)} does not see the run in ${printable(folder, 300)}.`, {
    code: 'E_NO_RUN',
    next: 'Every node reads the state: put the folder of the run where all of them see it by the same path.',
    cause,
  })
}

function asFlags(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [kebabCase(key), value]))
}
