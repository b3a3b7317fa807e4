import {Flags} from '@oclif/core'
import {BaseCommand} from '../src/base-command.js'
import {setUpEnvironment, type SetUpResult} from '../src/setup/set-up.js'

export default class Setup extends BaseCommand<typeof Setup> {
  static override summary = 'Make the Python environment that computes.'
  static override description =
    'Finds Python 3.9 to 3.13, makes a virtual environment (.venv in a clone, a cache folder for an installed ' +
    'package) and installs Paddle and the other packages into it. On Linux with x86-64 and a C++ compiler it also ' +
    'builds kernels for this processor; without them everything runs on Paddle alone, slower. Running it again does ' +
    'only what is left to do.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --python /usr/bin/python3.11',
    '<%= config.bin %> <%= command.id %> --gpu',
  ]

  static override flags = {
    python: Flags.string({
      helpValue: 'PATH',
      description: 'Python to make the environment from; by default the first on PATH that fits.',
    }),
    gpu: Flags.boolean({description: "Install Paddle for NVIDIA GPUs, from Paddle's own index."}),
  }

  async run(): Promise<SetUpResult> {
    const {python, gpu} = this.flags
    const silent = this.jsonEnabled()
    const result = await setUpEnvironment({python, gpu, silent, signal: this.interrupt})
    this.log(
      `Python ${result.pythonVersion}, Paddle ${result.paddleVersion} (${result.device}): ${result.venv}`,
    )
    const {library, reason} = result.kernels
    this.log(
      library === null ? `No kernels, Paddle's own operators compute: ${reason}` : `Kernels: ${library}`,
    )
    return result
  }
}
