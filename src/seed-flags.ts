import {CLIError} from '@oclif/core/errors'

/** What becomes of a flag of the seed: our spelling, or nothing but the reason why it is not needed. */
type SeedFlag = {readonly ours: string} | {readonly ignoredBecause: string}

/**
 * The flags of the seed's train.py and eval.py (and of vilbert-multi-task where they are the same).
 * All of them take a value. `--optimizer` and `--seed`-like names without an underscore are listed where they differ.
 */
const seedFlags: Readonly<Record<string, SeedFlag>> = {
  '--from_pretrained': {ours: '--from-pretrained'},
  '--config_file': {ours: '--config'},
  '--output_dir': {ours: '--output-dir'},
  '--batch_size': {ours: '--batch-size'},
  '--num_train_epochs': {ours: '--epochs'},
  '--learning_rate': {ours: '--lr'},
  '--weight_decay': {ours: '--weight-decay'},
  '--warmup_proportion': {ours: '--warmup-fraction'},
  '--gradient_accumulation_steps': {ours: '--grad-accumulation'},
  '--num_workers': {ignoredBecause: 'examples are not loaded by workers here'},
  '--do_lower_case': {ignoredBecause: 'text is always lower-cased, as it was in effect'},
  '--bert_model': {ignoredBecause: 'the vocabulary is always that of bert-base-uncased'},
  '--save_name': {ignoredBecause: '--output-dir names the folder'},
  '--decay_factor': {ignoredBecause: 'it was never read; the factor is 0.1'},
  '--optimizer': {ignoredBecause: 'it was never read; the optimizer is AdamW'},
  '--task': {ignoredBecause: 'referring expressions are the only task'},
  '--tasks': {ignoredBecause: 'referring expressions are the only task'},
}

/** The seed's number of the only task there is; another one is a mistake that must not pass in silence. */
const REFERRING_EXPRESSIONS_TASK = '4'

/**
 * Translates the seed's spellings in a command line, so that its documented commands work behind `vilbert-ts`.
 * @returns the command line that oclif shall read, and one line for the user if anything was translated.
 * @throws CLIError (exit 2) when another task than referring expressions is asked for.
 */
export function rewriteSeedFlags(argv: readonly string[]): {argv: string[]; note: string | undefined} {
  const rewritten: string[] = []
  const notes = new Set<string>()
  const words = [...argv]
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '--') {
      rewritten.push(word, ...words)
      break
    }
    const {flag, value} = split(word)
    const seed = Object.hasOwn(seedFlags, flag) ? seedFlags[flag] : undefined
    if (seed === undefined) rewritten.push(word)
    else if ('ours' in seed) {
      rewritten.push(value === undefined ? seed.ours : `${seed.ours}=${value}`)
      notes.add(`${flag} is now ${seed.ours}`)
    } else {
      const dropped = value ?? (words[0]?.startsWith('-') === false ? words.shift() : undefined)
      if (flag.startsWith('--task')) checkTask(flag, dropped)
      notes.add(`${flag} is ignored (${seed.ignoredBecause})`)
    }
  }
  const note = notes.size > 0 ? `Deprecated spelling: ${[...notes].join('; ')}.` : undefined
  return {argv: rewritten, note}
}

/** `--flag=value` carries its value in the same word. */
function split(word: string): {flag: string; value: string | undefined} {
  const equals = word.indexOf('=')
  if (!word.startsWith('--') || equals < 0) return {flag: word, value: undefined}
  return {flag: word.slice(0, equals), value: word.slice(equals + 1)}
}

/** Training something else than what was asked for would be worse than stopping. */
function checkTask(flag: string, value: string | undefined): void {
  if (value === undefined || value.replace(/^TASK/i, '') === REFERRING_EXPRESSIONS_TASK) return
  throw new CLIError(`${flag} ${value} is not available: only task 4, referring expressions, is.`, {
    exit: 2,
    suggestions: [`Leave ${flag} out.`],
  })
}
