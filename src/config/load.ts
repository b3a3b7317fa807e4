import {access} from 'node:fs/promises'
import {archiveSchema, sourceSchema, type Source} from '../data/download/sources.js'
import {ConfigError, printable} from '../errors.js'
import type {DataConfig} from './data.js'
import {Draft, sectionKeys, type ConfigKind} from './draft.js'
import {settingsSchema} from './file.js'
import type {ModelConfig} from './model.js'
import {ConfigProblemsError, findingsOf, type Problem} from './problems.js'
import type {TrainingConfig} from './training.js'

/** A valid configuration with all defaults filled in, and where each value comes from. */
export type LoadedConfig = {
  /** What the file was; undefined without a file. */
  readonly kind: ConfigKind | undefined
  /** Undefined where neither a file nor `--set` says anything about the model. */
  readonly model: ModelConfig | undefined
  readonly data: DataConfig
  readonly training: TrainingConfig
  /** Sources of the user's own, for downloads. */
  readonly sources: readonly Source[]
  /** By `section.key`: `default`, `file:NAME:LINE`, `preset:NAME`, `--set` or `flag`. */
  readonly origin: Readonly<Record<string, string>>
}

/** What a configuration is built from; the later of them win. */
export type ConfigSources = {
  /** A configuration file of any of the three kinds. */
  readonly file?: string | undefined
  /** `section.key=value`, later ones win over earlier ones and over the file. */
  readonly set?: readonly string[] | undefined
  /** Parsed flags named like the settings in kebab case; they win over everything. */
  readonly flags?: Readonly<Record<string, unknown>> | undefined
  /** Whether data and weights that the file names may still be missing, as before a download. @default false */
  readonly mayLackFiles?: boolean | undefined
}

/** The outcome of a check of one file. */
export type ConfigValidation = {
  readonly ok: boolean
  readonly file: string
  readonly kind: ConfigKind | undefined
  readonly problems: readonly Problem[]
  readonly config?: LoadedConfig
}

/**
 * Builds the configuration from defaults, file, `--set` and flags, each layer over the one before.
 * @throws ConfigProblemsError (exit 3) with everything that is wrong.
 */
export async function loadConfig(sources: ConfigSources): Promise<LoadedConfig> {
  const {problems, config} = await buildConfig(sources)
  if (config === undefined) throw new ConfigProblemsError(problems)
  return config
}

/** Checks a file without throwing for what is wrong with it. */
export async function validateConfigFile(file: string): Promise<ConfigValidation> {
  const {kind, problems, config} = await buildConfig({file})
  return {ok: config !== undefined, file, kind, problems, ...(config === undefined ? {} : {config})}
}

/** Reads a file of any kind; throws ConfigProblemsError (exit 3). */
export async function loadConfigFile(file: string): Promise<LoadedConfig> {
  return loadConfig({file})
}

/** Reads the model of a file; throws ConfigError (exit 3) if the file is wrong or says nothing about a model. */
export async function loadModelConfig(file: string): Promise<ModelConfig> {
  const {model} = await loadConfig({file})
  if (model !== undefined) return model
  throw new ConfigError(`${printable(file, 300)} does not describe a model.`, {
    code: 'E_CFG_KEY',
    next: 'Give a model file such as bert_base_6layer_6conect.json, or add a `model` section.',
  })
}

/** Validates `values` as a model that does not come from a file of its own, such as a checkpoint's sidecar. */
export function parseModelConfig(values: unknown, where: string): ModelConfig {
  const {draft, parsed} = check({model: values})
  if (parsed.success && parsed.data.model !== undefined) return parsed.data.model
  const findings = parsed.success ? [] : findingsOf(parsed.error, {model: values}, knownKeys)
  throw new ConfigProblemsError(findings.map((finding) => ({...draft.locate(finding), file: where})))
}

type Outcome = {
  readonly kind: ConfigKind | undefined
  readonly problems: readonly Problem[]
  readonly config?: LoadedConfig
}

/** Lays the sources over each other, then checks the whole, so that all problems are found together. */
async function buildConfig({
  file,
  set = [],
  flags = {},
  mayLackFiles = false,
}: ConfigSources): Promise<Outcome> {
  const draft = new Draft()
  const kind = file === undefined ? undefined : await draft.addFile(file)
  for (const assignment of set) await draft.addSet(assignment)
  draft.addFlags(flags)
  if (file !== undefined && kind === undefined) return {kind, problems: draft.problems}
  const parsed = settingsSchema.safeParse(draft.value)
  const findings = parsed.success ? [] : findingsOf(parsed.error, draft.value, knownKeys)
  const missing = kind === 'file' && !mayLackFiles ? await missingFiles(draft) : []
  const problems = [...draft.problems, ...findings.map((finding) => draft.locate(finding)), ...missing]
  if (!parsed.success || problems.length > 0) return {kind, problems: inOrder(problems)}
  const {model, data, training, sources} = parsed.data
  return {
    kind,
    problems,
    config: {kind, model, data, training, sources, origin: originsOf(draft, {model, data, training})},
  }
}

/** The one place that checks values that were not written in a file. */
function check(value: {readonly model: unknown}) {
  return {draft: new Draft(), parsed: settingsSchema.safeParse(value)}
}

function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  const [section, , part] = path
  if (section === undefined) return [...sectionKeys.keys(), 'sources']
  if (section !== 'sources') return sectionKeys.get(String(section)) ?? []
  return Object.keys(part === 'archive' ? archiveSchema.shape : sourceSchema.shape)
}

/** Data and weights that a file names have to be there; those of a flag are checked by the work itself. */
async function missingFiles(draft: Draft): Promise<Problem[]> {
  const problems: Problem[] = []
  for (const [section, key] of [
    ['data', 'dataRoot'],
    ['training', 'fromPretrained'],
  ] as const) {
    const values: unknown = draft.value[section]
    const path: unknown = typeof values === 'object' && values !== null ? Reflect.get(values, key) : undefined
    if (typeof path !== 'string' || draft.origins.get(`${section}.${key}`)?.file === undefined) continue
    const exists = await access(path).then(
      () => true,
      () => false,
    )
    if (exists) continue
    const predicate = `does not exist: ${printable(path, 300)}`
    problems.push(draft.locate({path: [section, key], code: 'E_CFG_FILE', predicate}))
  }
  return problems
}

/** Problems in the order of the file; those without a place come last. */
function inOrder(problems: readonly Problem[]): Problem[] {
  return [...problems].sort(
    (a, b) => (a.line ?? Infinity) - (b.line ?? Infinity) || (a.column ?? 0) - (b.column ?? 0) || 0,
  )
}

/** The origin of every value, those that nobody has given included. */
function originsOf(
  draft: Draft,
  sections: Readonly<Record<string, object | undefined>>,
): Record<string, string> {
  const origins: Record<string, string> = {}
  for (const [section, values] of Object.entries(sections)) {
    for (const key of Object.keys(values ?? {})) {
      origins[`${section}.${key}`] = draft.origins.get(`${section}.${key}`)?.label ?? 'default'
    }
  }
  return origins
}
