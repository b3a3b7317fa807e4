import {Bridge} from '../../bridge/bridge.js'
import {refused} from './failure.js'
import {fileTransport} from './file-transport.js'
import {httpTransport} from './http-transport.js'
import {pythonTransport} from './python-transport.js'
import type {Transport} from './transport.js'

export type TransportsOptions = {
  /** Finds the interpreter; asked only when an address needs Python. */
  readonly findPython: () => Promise<string>
  /** As {@link Bridge} takes it. */
  readonly pythonPath?: readonly string[]
  /** Environment variables to add for Python. */
  readonly env?: Readonly<Record<string, string>>
  /** @default 'vilbert.download:fetch_drive' */
  readonly driveFunction?: string
}

const driveHosts: ReadonlySet<string> = new Set([
  'drive.google.com',
  'docs.google.com',
  'drive.usercontent.google.com',
])

/** Knows how to fetch each kind of address, and owns the Python that some of them need. */
export class Transports implements AsyncDisposable {
  readonly #options: TransportsOptions
  #bridge: Promise<Bridge> | undefined

  constructor(options: TransportsOptions) {
    this.#options = options
  }

  /** The way to fetch what an address names. */
  readonly for = (url: URL): Transport => {
    if (url.protocol === 'file:') return fileTransport
    if (url.protocol === 's3:') return pythonTransport(this.#openBridge, 'vilbert.download:fetch_s3')
    if (url.protocol !== 'https:' && url.protocol !== 'http:') {
      throw refused(url, 'this kind of address is not known', {code: 'E_DL_SCHEME'})
    }
    return driveHosts.has(url.hostname)
      ? pythonTransport(this.#openBridge, this.#options.driveFunction ?? 'vilbert.download:fetch_drive')
      : httpTransport
  }

  /** Ends the Python, if one was needed. */
  async [Symbol.asyncDispose](): Promise<void> {
    const bridge = await this.#bridge?.catch(() => undefined)
    await bridge?.close()
  }

  readonly #openBridge = (): Promise<Bridge> => {
    const {findPython, pythonPath, env} = this.#options
    this.#bridge ??= findPython().then(
      (python) =>
        new Bridge({
          python,
          ...(pythonPath === undefined ? {} : {pythonPath}),
          ...(env === undefined ? {} : {env}),
        }),
    )
    return this.#bridge
  }
}
