import type {z} from 'zod'
import {didYouMean} from '../did-you-mean.js'
import {ConfigError, printable} from '../errors.js'

/** One thing that is wrong with a configuration, and where. */
export type Problem = {
  /** The key as it is written, such as `training.lr`; empty for the file as a whole. */
  readonly path: string
  /** 1-based; null where the value does not come from a file. */
  readonly line: number | null
  /** 1-based; null where the value does not come from a file. */
  readonly column: number | null
  /** E_CFG_KEY, E_CFG_TYPE, E_CFG_RANGE, E_CFG_YAML, E_CFG_JSON, E_CFG_FILE or E_LIMIT. */
  readonly code: string
  readonly message: string
  /** The file it stands in, where that is known. */
  readonly file?: string
}

/** A problem whose place is not known yet: a path into the value that was checked. */
export type Finding = {
  readonly path: readonly PropertyKey[]
  readonly code: string
  /** The sentence behind the key: "must be at least 1, it is 0". */
  readonly predicate: string
}

/** Everything that is wrong with a configuration, at once. */
export class ConfigProblemsError extends ConfigError {
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    const lines = problems.map(problemLine)
    const heading = `The configuration has ${problems.length} problems:`
    super(lines.length === 1 ? (lines[0] ?? heading) : [heading, ...lines].join('\n  '), {
      code: problems.length === 1 ? (problems[0]?.code ?? 'E_CONFIG') : 'E_CONFIG',
      next: problems.every(({code}) => code === 'E_CFG_FILE') ? 'Check the path.' : CORRECT_IT,
    })
    this.problems = problems
  }
}

const CORRECT_IT = 'Correct it, then look at the outcome with `vilbert-ts config show --origin`.'

/** `file:line:column: sentence`, the form that editors and terminals make clickable. */
export function problemLine({file, line, column, message}: Problem): string {
  const place = [file === undefined ? undefined : printable(file, 300), line, column].filter(
    (part) => part != null,
  )
  return place.length > 0 ? `${place.join(':')}: ${message}` : message
}

/** Translates zod's issues about `value` into findings in our words, one for each key that is wrong. */
export function findingsOf(error: z.ZodError, value: unknown, known: KnownKeys): Finding[] {
  const {missing, others} = splitMissing(error.issues, value)
  // Of several bounds that one value breaks, zod names the narrowest last.
  const narrowest = new Map(others.map((issue) => [`${issue.code} ${boundKey(issue)}`, issue]))
  const findings = [...narrowest.values()].flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [finding(issue, valueAtPath(value, issue.path))]
    const keys = issue.keys.slice(0, MAX_UNKNOWN_KEYS)
    return keys.map((key) => unknownKey([...issue.path, key], known(issue.path)))
  })
  return [...missing, ...findings]
}

/** What makes two issues the same: their path, and for a rule between fields its sentence too. */
function boundKey({code, path, message}: z.core.$ZodIssue): string {
  return code === 'custom' ? `${path.join('.')} ${message}` : path.join('.')
}

/** A section that lacks almost everything is one problem, not twenty-five. */
function splitMissing(issues: readonly z.core.$ZodIssue[], value: unknown) {
  const isMissing = ({code, path}: z.core.$ZodIssue) =>
    (code === 'invalid_type' || code === 'invalid_value') && valueAtPath(value, path) === undefined
  const parents = new Map<string, z.core.$ZodIssue[]>()
  for (const issue of issues.filter(isMissing)) {
    const parent = issue.path.slice(0, -1).join('.')
    parents.set(parent, [...(parents.get(parent) ?? []), issue])
  }
  const crowded = [...parents.values()].filter((group) => group.length > MAX_MISSING_KEYS)
  const missing = crowded.map((group): Finding => {
    const keys = group.map(({path}) => String(path.at(-1)))
    const predicate = `lacks ${keys.length} keys: ${keys.slice(0, MAX_MISSING_KEYS).join(', ')}, …`
    return {path: group[0]?.path.slice(0, -1) ?? [], code: 'E_CFG_KEY', predicate}
  })
  const covered = new Set(crowded.flat())
  return {missing, others: issues.filter((issue) => !covered.has(issue))}
}

const MAX_MISSING_KEYS = 5

/** A file of nonsense is described well enough by its first keys. */
const MAX_UNKNOWN_KEYS = 20

/** The keys that a place in the configuration may have. */
export type KnownKeys = (path: readonly PropertyKey[]) => readonly string[]

/** A key that means nothing, with the one that was probably meant. */
export function unknownKey(path: readonly PropertyKey[], known: readonly string[]): Finding {
  const meant = didYouMean(String(path.at(-1)), known)
  const hint = meant === undefined ? '' : `; did you mean "${meant}"?`
  return {path, code: 'E_CFG_KEY', predicate: `is not a known key${hint}`}
}

/** Says in a sentence what is wrong with one value. */
export function finding(issue: z.core.$ZodIssue, input: unknown): Finding {
  const {path} = issue
  const shown = `it is ${show(input)}`
  const wrong = (code: string, predicate: string) => ({path, code, predicate})
  switch (issue.code) {
    case 'invalid_type':
      if (input === undefined) return wrong('E_CFG_KEY', 'is missing')
      return wrong('E_CFG_TYPE', `must be ${typeNames[issue.expected] ?? issue.expected}, ${shown}`)
    case 'too_small':
    case 'too_big': {
      const bound = issue.code === 'too_small' ? issue.minimum : issue.maximum
      const inclusive = issue.inclusive !== false
      const [least, most] = inclusive ? ['at least', 'at most'] : ['more than', 'less than']
      const relation = issue.code === 'too_small' ? least : most
      const what =
        issue.origin === 'array' ? 'have ' : issue.origin === 'string' ? 'have a length of ' : 'be '
      return wrong('E_CFG_RANGE', `must ${what}${relation} ${bound}${entries(issue.origin)}, ${shown}`)
    }
    case 'invalid_value': {
      const allowed = issue.values.map(String)
      const meant = typeof input === 'string' ? didYouMean(input, allowed) : undefined
      const hint = meant === undefined ? '' : `; did you mean "${meant}"?`
      if (input === undefined) return wrong('E_CFG_KEY', 'is missing')
      const choice = allowed.length > 1 ? `one of ${allowed.join(', ')}` : allowed.join('')
      return wrong('E_CFG_RANGE', `must be ${choice}, ${shown}${hint}`)
    }
    default:
      return wrong('E_CFG_RANGE', issue.message)
  }
}

const typeNames: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping of keys to values',
}

/** What a list's length counts. */
function entries(origin: string): string {
  return origin === 'array' ? ' entries' : ''
}

/** A value as it would be written, cut to a length that fits a sentence. */
function show(value: unknown): string {
  if (typeof value === 'number') {
    return Number.isInteger(value) && !Number.isSafeInteger(value)
      ? `about ${value.toPrecision(3)}`
      : String(value)
  }
  return printable(value === undefined ? 'nothing' : JSON.stringify(value), 40)
}

/** The value at a path, if there is one. */
export function valueAtPath(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value
  for (const key of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, key)) return undefined
    current = (current as Readonly<Record<PropertyKey, unknown>>)[key]
  }
  return current
}
