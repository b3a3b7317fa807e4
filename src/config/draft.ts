import {dirname, resolve} from 'node:path'
import {didYouMean} from '../did-you-mean.js'
import {presetFile, presetNames} from '../presets.js'
import {dataFields} from './data.js'
import {kebabCase} from './kebab-case.js'
import {modelFields} from './model.js'
import {findingsOf, unknownKey, type Finding, type Problem} from './problems.js'
import {seedTasksSchema, seedTaskKeys, seedTaskTargets} from './seed-tasks.js'
import {parseValue, readSource, type Source} from './source.js'
import {trainingFields} from './training.js'

/** What a configuration file is: the seed's model file, a file of our own, or the seed's `vlbert_tasks.yml`. */
export type ConfigKind = 'model' | 'file' | 'seed-tasks'

/** Where a value comes from: what is shown to the user, and the place for error messages. */
export type Origin = {
  /** `file:NAME:LINE`, `preset:NAME`, `--set` or `flag`. */
  readonly label: string
  /** The key as it is written there. */
  readonly path: string
  readonly file?: string
  readonly line?: number
  readonly column?: number
}

/** The sections of a configuration and the keys of each. */
export const sectionKeys: ReadonlyMap<string, readonly string[]> = new Map([
  ['model', Object.keys(modelFields.shape)],
  ['data', Object.keys(dataFields.shape)],
  ['training', Object.keys(trainingFields.shape)],
])

/** Values that name a file or folder: relative to the configuration file they stand in. */
const pathKeys = ['data.dataRoot', 'data.cacheDir', 'training.fromPretrained', 'training.outputDir']

/** A configuration in the making: values as they were written, layer over layer, each with its origin. */
export class Draft {
  readonly value: Record<string, unknown> = {}
  readonly origins = new Map<string, Origin>()
  readonly problems: Problem[] = []

  /** Reads a file as the lowest layer; undefined when it is of no known kind. */
  async addFile(file: string): Promise<ConfigKind | undefined> {
    const source = await readSource(file)
    this.problems.push(...source.problems)
    if (source.problems.length > 0) return undefined
    const kind = this.#kindOf(source, file)
    if (kind === 'model') this.#addTree('model', source.value, source, file)
    if (kind === 'file') this.#addTree('', source.value, source, file)
    if (kind === 'seed-tasks') this.#addSeedTask(source, file)
    for (const path of pathKeys) this.#resolvePath(path, dirname(file))
    await this.#lookUpModel()
    return kind
  }

  /** Adds `section.key=value` from the command line; the value is read like one in a YAML file. */
  async addSet(assignment: string): Promise<void> {
    const equals = assignment.indexOf('=')
    const path = (equals < 0 ? assignment : assignment.slice(0, equals)).trim()
    const origin = {label: '--set', path}
    if (equals < 0) {
      this.#fail(origin, 'E_CFG_KEY', `--set takes KEY=VALUE, it is "${assignment}".`)
      return
    }
    const source = parseValue(assignment.slice(equals + 1))
    this.problems.push(...source.problems.map((problem) => ({...problem, ...noPlace, path})))
    if (source.problems.length > 0) return
    const [section = '', key, ...rest] = path.split('.')
    const isModel = path === 'model' && typeof source.value === 'string'
    if (isModel) {
      this.#put(['model'], source.value, origin)
      await this.#lookUpModel()
    } else if (key === undefined || rest.length > 0 || sectionKeys.get(section)?.includes(key) !== true)
      this.#unknown(path)
    else this.#put([section, key], source.value, origin)
  }

  /** Adds those flags that belong to a setting, named like it in kebab case; undefined ones were not given. */
  addFlags(flags: Readonly<Record<string, unknown>>): void {
    for (const section of ['data', 'training']) {
      for (const key of sectionKeys.get(section) ?? []) {
        const flag = kebabCase(key)
        if (flags[flag] === undefined) continue
        this.#put([section, key], flags[flag], {label: 'flag', path: `--${flag}`})
      }
    }
    for (const path of pathKeys) this.#resolvePath(path, process.cwd())
  }

  /** Puts a finding about `value` into the form that is shown, at the place where its value was written. */
  locate({path, code, predicate}: Finding): Problem {
    const keys = path.map(String)
    for (let length = keys.length; length >= 0; length--) {
      const origin = this.origins.get(keys.slice(0, length).join('.'))
      if (origin === undefined) continue
      const written = [origin.path, ...keys.slice(length)].filter((key) => key !== '').join('.')
      const {line = null, column = null, file} = origin
      const message = `${written === '' ? 'The file' : written} ${predicate}`
      return {path: written, line, column, code, message, ...(file === undefined ? {} : {file})}
    }
    const written = keys.join('.')
    return {path: written, ...noPlace, code, message: `${written} ${predicate}`}
  }

  /** Replaces a model that is given by name or path with what that file holds. */
  async #lookUpModel(): Promise<void> {
    const {model} = this.value
    if (typeof model !== 'string') return
    const origin = this.origins.get('model') ?? {label: 'default', path: 'model'}
    const presets = await presetNames()
    const isPreset = presets.includes(model)
    const file = isPreset
      ? presetFile(model)
      : resolve(origin.file === undefined ? '.' : dirname(origin.file), model)
    const source = await readSource(file)
    delete this.value['model']
    if (source.problems.some(({code}) => code === 'E_CFG_FILE')) {
      const meant = didYouMean(model, presets)
      const hint = meant === undefined ? `presets are ${presets.join(', ')}` : `did you mean "${meant}"?`
      this.#fail(origin, 'E_CFG_FILE', `${origin.path} is neither a preset nor a file: "${model}"; ${hint}`)
    } else if (source.problems.length > 0) this.problems.push(...source.problems)
    else this.#addTree('model', source.value, source, file, isPreset ? `preset:${model}` : undefined)
  }

  /** Tells the three kinds of file apart by their top-level keys. */
  #kindOf({value}: Source, file: string): ConfigKind | undefined {
    const origin = {label: '', path: '', file, line: 1, column: 1}
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      const what = Array.isArray(value) ? 'a list' : value === null ? 'nothing' : 'a single value'
      this.#fail(origin, 'E_CFG_TYPE', `The file must hold keys and values, it holds ${what}.`)
      return undefined
    }
    const keys = Object.keys(value)
    if (keys.some((key) => /^TASK\d+$/.test(key))) return 'seed-tasks'
    if (keys.some((key) => sectionKeys.has(key) || key === 'sources')) return 'file'
    if (keys.some((key) => sectionKeys.get('model')?.includes(key))) return 'model'
    const kinds = 'model settings, the sections model, data and training, or the tasks of vlbert_tasks.yml'
    this.#fail(origin, 'E_CFG_KEY', `The file holds none of the known keys: ${kinds}.`)
    return undefined
  }

  /** Takes a parsed file over with the positions of its keys. */
  #addTree(prefix: string, value: unknown, source: Source, file: string, label?: string): void {
    if (prefix === '') Object.assign(this.value, value)
    else this.value[prefix] = value
    for (const [path, {line, column}] of source.positions) {
      const target = [prefix, path].filter((part) => part !== '').join('.')
      this.origins.set(target, {label: label ?? `file:${file}:${line}`, path, file, line, column})
    }
  }

  /** Checks the seed's task file as a whole and takes over what TASK4 says. */
  #addSeedTask(source: Source, file: string): void {
    const written = new Draft()
    written.#addTree('', source.value, source, file)
    const parsed = seedTasksSchema.safeParse(source.value)
    if (!parsed.success) {
      const findings = findingsOf(parsed.error, source.value, (path) => seedTaskKeys(path.length))
      this.problems.push(...findings.map((finding) => written.locate(finding)))
      return
    }
    for (const [key, target] of Object.entries(seedTaskTargets)) {
      const value = parsed.data.TASK4[key as keyof typeof parsed.data.TASK4]
      const origin = written.origins.get(`TASK4.${key}`)
      if (value !== undefined && origin !== undefined) this.#put(target.split('.'), value, origin)
    }
  }

  #put([section = '', key]: readonly string[], value: unknown, origin: Origin): void {
    if (key === undefined) {
      this.value[section] = value
      for (const path of this.origins.keys()) if (path.startsWith(`${section}.`)) this.origins.delete(path)
      this.origins.set(section, origin)
      return
    }
    const current = this.value[section]
    // Something else in the place of a section stays, so that the check finds it.
    if (current !== undefined && (typeof current !== 'object' || current === null || Array.isArray(current)))
      return
    this.value[section] = {...current, [key]: value}
    this.origins.set(`${section}.${key}`, origin)
  }

  #resolvePath(path: string, folder: string): void {
    const [section = '', key = ''] = path.split('.')
    const values = this.value[section]
    if (typeof values !== 'object' || values === null || !Object.hasOwn(values, key)) return
    const record = values as Record<string, unknown>
    if (typeof record[key] === 'string' && record[key] !== '') record[key] = resolve(folder, record[key])
  }

  #unknown(path: string): void {
    const known = [...sectionKeys].flatMap(([section, keys]) => keys.map((key) => `${section}.${key}`))
    const home = known.find((candidate) => candidate.endsWith(`.${path}`))
    const {code, predicate} = unknownKey([path], home === undefined ? known : [home])
    const hint = home === undefined ? predicate : `is not a known key; did you mean "${home}"?`
    this.#fail({label: '--set', path}, code, `${path} ${hint}`)
  }

  #fail({path, line, column, file}: Origin, code: string, message: string): void {
    const place = {line: line ?? null, column: column ?? null}
    this.problems.push({path, ...place, code, message, ...(file === undefined ? {} : {file})})
  }
}

/** The place of what does not stand in a file. */
const noPlace = {line: null, column: null}
