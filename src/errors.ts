/** What a {@link VilbertError} carries beside its sentence. */
export type ErrorDetails = {
  /** Stable, machine-readable reason such as `E_TRUNCATED`; defaults to the class's own code. */
  readonly code?: string
  /** What the reader can do about it, as a full sentence. */
  readonly next?: string
  readonly cause?: unknown
}

/**
 * Base of every failure the program expects. Its message is one sentence that says what is wrong and where;
 * `next` says what to do; `exitCode` is the process's exit status.
 */
export abstract class VilbertError extends Error {
  abstract readonly exitCode: number
  readonly code: string
  readonly next: string | undefined

  constructor(message: string, defaultCode: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : {cause: details.cause})
    this.name = new.target.name
    this.code = details.code ?? defaultCode
    this.next = details.next
  }
}

/** A configuration or a combination of options is not valid. */
export class ConfigError extends VilbertError {
  readonly exitCode = 3
  constructor(message: string, details?: ErrorDetails) {
    super(message, 'E_CONFIG', details)
  }
}

/** A data file is missing, damaged or does not hold what was asked for. */
export class DataError extends VilbertError {
  readonly exitCode = 4
  constructor(message: string, details?: ErrorDetails) {
    super(message, 'E_DATA', details)
  }
}

/** A checkpoint is missing, damaged or does not fit the model. */
export class CheckpointError extends VilbertError {
  readonly exitCode = 4
  constructor(message: string, details?: ErrorDetails) {
    super(message, 'E_CHECKPOINT', details)
  }
}

/** Python, a package, a compiler or a device that the work needs is missing. */
export class EnvironmentError extends VilbertError {
  readonly exitCode = 5
  constructor(message: string, details?: ErrorDetails) {
    super(message, 'E_ENVIRONMENT', details)
  }
}

/** A download failed (unreachable, refused, over quota, not the file it should be), or the nodes of a run did not meet. */
export class NetworkError extends VilbertError {
  readonly exitCode = 6
  constructor(message: string, details?: ErrorDetails) {
    super(message, 'E_NETWORK', details)
  }
}

/** A check that was asked for did not hold (`--min-accuracy`, `verify`). */
export class GateError extends VilbertError {
  readonly exitCode = 8
  constructor(message: string, details?: ErrorDetails) {
    super(message, 'E_GATE', details)
  }
}

/** The user interrupted the work. */
export class InterruptedError extends VilbertError {
  readonly exitCode = 130
  constructor(message = 'Interrupted.', details?: ErrorDetails) {
    super(message, 'E_INTERRUPTED', details)
  }
}

/** A file's bytes are damaged or hostile: the readers of `src/formats` throw it, always with the place. */
export class FormatError extends VilbertError {
  readonly exitCode = 4
  /** The byte of the file where the fault is, where that is known. */
  readonly offset: number | undefined
  constructor(
    code: string,
    message: string,
    details?: Omit<ErrorDetails, 'code'> & {readonly offset?: number},
  ) {
    super(message, code, {...details, code})
    this.offset = details?.offset
  }
}

/** Shows text from outside in a message: control characters escaped, long text cut. */
export function printable(text: string, maxLength = 80): string {
  const escaped = text.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (character) => {
    const hex = (character.codePointAt(0) ?? 0).toString(16)
    return `\\u{${hex}}`
  })
  return escaped.length > maxLength ? `${escaped.slice(0, maxLength)}…` : escaped
}
