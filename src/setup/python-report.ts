import {execa} from 'execa'
import {z} from 'zod'
import {EnvironmentError} from '../errors.js'
import {kernelEnvironment} from '../kernels/folders.js'
import {pythonRoot} from '../paths.js'
import {cleanPythonEnv} from './base-python.mjs'

const packagesSchema = z.record(z.string(), z.string().nullable())

const reportSchema = z.object({
  version: z.string(),
  executable: z.string(),
  /** Version of each package that was asked for; null where it is missing. */
  packages: packagesSchema,
  /** Whether the C headers are there that an extension is compiled with. */
  hasHeaders: z.boolean(),
  paddle: z.union([
    z.object({version: z.string(), device: z.string(), gpus: z.number().int()}),
    z.object({error: z.string()}),
  ]),
  /** What `kernel_library.py` says; null where Paddle does not work. */
  kernels: z
    .object({library: z.string().nullable(), unfitBecause: z.string().nullable(), hasBfloat16: z.boolean()})
    .nullable(),
  /** What `exported.py` says; null where Paddle does not work. */
  exported: z.object({unfitBecause: z.string().nullable(), hasBfloat16: z.boolean()}).nullable(),
})

/** What an interpreter can do for the program. */
export type PythonReport = z.infer<typeof reportSchema>

/** Paddle prints when it is imported, so file descriptor 1 is put aside for the answer first. */
const script = `
import os, sys
answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
import importlib, importlib.metadata, json, os.path, platform, sysconfig

def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None

def paddle_report():
    try:
        import paddle
        gpus = paddle.device.cuda.device_count() if paddle.device.is_compiled_with_cuda() else 0
        paddle.ones([2, 2]).matmul(paddle.ones([2, 2])).numpy()
        return {"version": paddle.__version__, "device": paddle.device.get_device(), "gpus": gpus}
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}

def status_of(module):
    try:
        return importlib.import_module(module).status()
    except BaseException:
        return None

sys.path.insert(0, sys.argv[1])

json.dump({
    "version": platform.python_version(),
    "executable": sys.executable,
    "packages": {name: version(name) for name in sys.argv[2:]},
    "hasHeaders": os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")),
    "paddle": paddle_report(),
    "kernels": status_of("vilbert.kernel_library"),
    "exported": status_of("vilbert.exported"),
}, answer)
answer.close()
`

const timeoutMs = 120_000

/**
 * Asks an interpreter for its packages, and Paddle for a small product of matrices: that it imports says little
 * about whether it computes. And whether there are kernels that fit it.
 *
 * @throws {EnvironmentError} when it does not answer
 */
export async function reportPython(
  python: string,
  packages: readonly string[],
  signal?: AbortSignal,
): Promise<PythonReport> {
  const {stdout, failed, shortMessage} = await execa(python, ['-c', script, pythonRoot, ...packages], {
    env: {...cleanPythonEnv(process.env), ...kernelEnvironment()},
    extendEnv: false,
    stderr: 'ignore',
    timeout: timeoutMs,
    reject: false,
    ...(signal === undefined ? {} : {cancelSignal: signal}),
  })
  signal?.throwIfAborted()
  if (failed)
    throw new EnvironmentError(
      `${python} could not be asked about its packages: ${shortMessage ?? 'it failed'}.`,
    )
  return reportSchema.parse(JSON.parse(stdout))
}
