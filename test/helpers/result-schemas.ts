import {readdirSync} from 'node:fs'
import {join} from 'node:path'
import ts from 'typescript'
import {packageRoot} from '../../src/paths.js'
import {TypeReader, type WrittenSchema} from './type-schema.js'

/** What is printed beside the results of commands: the name of its schema, title, type, and where that comes from. */
const further = [
  {
    name: 'error',
    title: 'A failure of vilbert-ts in --json',
    type: '{readonly error: ErrorReport}',
    imported: 'ErrorReport',
    from: 'src/ui/error-report.js',
  },
  {
    name: 'predict-line',
    title: 'A line of vilbert-ts predict --input',
    type: 'AnswerLine',
    imported: 'AnswerLine',
    from: 'src/predict/answer-lines.js',
  },
]

/**
 * The schema of what each command prints in `--json`, by the command's words joined by dashes: what TypeScript knows of
 * the result of its `run()`. Generators for types do not see through what zod infers, or lose what a record holds; the
 * compiler itself knows both.
 */
export function resultSchemas(): ReadonlyMap<string, WrittenSchema> {
  const entry = join(packageRoot, 'results.ts')
  const results = [...commandResults(), ...further]
  const program = programOf(entry, results.map(declaration).join('\n'))
  const checker = program.getTypeChecker()
  const aliases = program.getSourceFile(entry)?.statements.filter(ts.isTypeAliasDeclaration) ?? []
  return new Map(
    results.map(({name, title}, index) => {
      const alias = aliases[index]
      if (alias === undefined) throw new Error(`There is no type of ${name}.`)
      const schema = new TypeReader(checker).schemaOf(checker.getTypeAtLocation(alias))
      return [name, {$schema: 'https://json-schema.org/draft/2020-12/schema', title, ...schema}]
    }),
  )
}

type Result = (typeof further)[number]

function commandResults(): Result[] {
  const files = readdirSync(join(packageRoot, 'commands'), {recursive: true, encoding: 'utf8'})
  return files
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.replaceAll('\\', '/').replace(/\.ts$/, ''))
    .sort()
    .map((command) => ({
      name: command.replace('/', '-'),
      title: `The result of vilbert-ts ${command.replace('/', ' ')} in --json`,
      type: "Awaited<ReturnType<Imported['run']>>",
      imported: 'default as Imported',
      from: `commands/${command}.js`,
    }))
}

/** A type of a module in memory; names that are imported are kept apart by their number. */
function declaration({type, imported, from}: Result, index: number): string {
  const own = `Imported${index}`
  const [exported = '', local = exported] = imported.split(' as ')
  const renamed = type.replace(new RegExp(`\\b${local}\\b`), own)
  return `import type {${exported} as ${own}} from './${from}'\nexport type Result${index} = ${renamed}`
}

function programOf(entry: string, text: string): ts.Program {
  const {config} = ts.readConfigFile(join(packageRoot, 'tsconfig.json'), (file) => ts.sys.readFile(file)) as {
    config: object
  }
  const {options} = ts.parseJsonConfigFileContent(
    {...config, include: [], files: [entry]},
    ts.sys,
    packageRoot,
  )
  const disk = ts.createCompilerHost(options)
  const host: ts.CompilerHost = {
    ...disk,
    getSourceFile: (file, version, ...rest) =>
      file === entry ? ts.createSourceFile(file, text, version) : disk.getSourceFile(file, version, ...rest),
    fileExists: (file) => file === entry || disk.fileExists(file),
    readFile: (file) => (file === entry ? text : disk.readFile(file)),
  }
  const program = ts.createProgram([entry], {...options, noEmit: true}, host)
  const [problem] = program.getSemanticDiagnostics(program.getSourceFile(entry))
  if (problem !== undefined) throw new Error(ts.flattenDiagnosticMessageText(problem.messageText, '\n'))
  return program
}
