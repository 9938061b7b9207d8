//! Prints the rules.

use quarantine_alert::rule;

use crate::{
    args::{Color, RulesArgs, RulesFormat},
    output::{Output, array, rows},
    status::Status,
};

/// # Errors
/// The rules cannot be written.
pub fn run(arguments: &RulesArgs) -> anyhow::Result<Status> {
    let output = Output::stdout(Color::Auto);
    let text = match arguments.format {
        RulesFormat::Json => array(&rule::ALL)?,
        RulesFormat::Table => {
            let header = ["RULE", "OUTCOME", "ALL OF THESE CONDITIONS", "MITRE"];
            let alternatives = rule::ALL.iter().flat_map(|rule| rule.alternatives.iter().map(move |each| (rule, each)));
            let lines = alternatives.map(|(rule, alternative)| {
                let checks = alternative.checks.iter();
                let checks = checks.map(|check| format!("{} {} {}", check.field, check.operator, check.values));
                let checks = checks.collect::<Vec<_>>().join("\n");
                [rule.id.to_owned(), alternative.to_string(), checks, rule.reports.join(", ")]
            });
            rows(&header, lines.collect(), output.look())
        }
    };
    output.write_text(&text)?;
    Ok(Status::Done)
}
