import {CommandHelp, Help} from '@oclif/core/help'

/** What one wants first of a command is a line to copy. */
class ExamplesFirst extends CommandHelp {
  protected override sections(): ReturnType<CommandHelp['sections']> {
    const sections = super.sections()
    const isExamples = ({header}: {readonly header: string}): boolean => header === 'EXAMPLES'
    return [...sections.filter(isExamples), ...sections.filter((section) => !isExamples(section))]
  }
}

/** oclif's help, with examples before everything else. oclif loads it by its place, which package.json names. */
export default class VilbertHelp extends Help {
  protected override CommandHelpClass = ExamplesFirst
}
