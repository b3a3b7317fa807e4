import {execa} from 'execa'
import {join} from 'node:path'
import {findBasePython} from '../../src/setup/base-python.mjs'

const script = `
import sys, zipfile
file, name = sys.argv[1:]
info = name + "-1.0.dist-info"
with zipfile.ZipFile(file, "w") as wheel:
    wheel.writestr(name + ".py", "answer = 42\\n")
    wheel.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: " + name + "\\nVersion: 1.0\\n")
    wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(info + "/RECORD", "")
`

/** Writes a Python package of one line, so that installing needs neither a network nor time. */
export async function writeTinyWheel(folder: string, name: string): Promise<string> {
  const {baseExecutable} = await findBasePython()
  const file = join(folder, `${name}-1.0-py3-none-any.whl`)
  await execa(baseExecutable, ['-c', script, file, name])
  return file
}
