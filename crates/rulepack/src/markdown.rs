//! Splits a rule's file: front matter, documentation, and the fenced blocks of its cases. It does not render Markdown.

/// A rule's file in its parts.
#[derive(Debug, PartialEq, Eq)]
pub struct Parts<'t> {
    /// The YAML between the first two `---` lines.
    pub front_matter: &'t str,
    /// The 1-based line on which it begins.
    pub front_matter_line: usize,
    /// Everything below, up to the heading `## Cases`.
    pub documentation: &'t str,
    /// Sections below `## Cases`, one for each `###` heading.
    pub sections: Vec<Section<'t>>,
}

/// A section with a heading and fenced blocks.
#[derive(Debug, PartialEq, Eq)]
pub struct Section<'t> {
    /// The heading's text.
    pub heading: &'t str,
    /// The 1-based line of the heading.
    pub line: usize,
    /// Its fenced blocks.
    pub blocks: Vec<Block<'t>>,
}

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub struct Block<'t> {
    /// The words after the opening fence (`python sick`).
    pub info: &'t str,
    /// The text between the fences.
    pub text: &'t str,
    /// The 1-based line of the first line of the text.
    pub line: usize,
}

/// Splits the file; the error is a sentence and the 1-based line it is about.
pub fn split(file: &str) -> Result<Parts<'_>, (usize, String)> {
    let lines = lines_of(file);
    if lines.first().map(|(_, text)| text.trim_end()) != Some("---") {
        return Err((
            1,
            "a rule begins with a line `---` and its front matter in YAML".to_string(),
        ));
    }
    let Some(end) = lines
        .iter()
        .skip(1)
        .position(|(_, text)| text.trim_end() == "---")
        .map(|at| at + 1)
    else {
        return Err((1, "the front matter has no closing line `---`".to_string()));
    };
    let front_matter = &file[lines[1].0..lines[end].0];
    let body_start = lines.get(end + 1).map_or(file.len(), |(start, _)| *start);
    let body = &lines[(end + 1).min(lines.len())..];
    let mut fenced = false;
    let cases_at = body.iter().position(|(_, text)| {
        if text.starts_with("```") {
            fenced = !fenced;
        }
        !fenced && text.trim_end() == "## Cases"
    });
    let Some(cases_at) = cases_at else {
        return Ok(Parts {
            front_matter,
            front_matter_line: 2,
            documentation: file[body_start..].trim(),
            sections: Vec::new(),
        });
    };
    let documentation = file[body_start..body[cases_at].0].trim();
    let sections = sections(file, &body[cases_at + 1..], end + 1 + cases_at + 2)?;
    Ok(Parts {
        front_matter,
        front_matter_line: 2,
        documentation,
        sections,
    })
}

fn sections<'t>(
    file: &'t str,
    lines: &[(usize, &'t str)],
    first_line: usize,
) -> Result<Vec<Section<'t>>, (usize, String)> {
    let mut found: Vec<Section<'t>> = Vec::new();
    let mut open: Option<(usize, &'t str, usize)> = None;
    for (index, (start, text)) in lines.iter().enumerate() {
        let number = first_line + index;
        if let Some((content, info, line)) = open {
            if text.trim_end() == "```" {
                open = None;
                let Some(section) = found.last_mut() else {
                    return Err((
                        line,
                        "a fenced block stands before the first `###` heading".to_string(),
                    ));
                };
                section.blocks.push(Block {
                    info,
                    text: &file[content..*start],
                    line,
                });
            }
        } else if let Some(info) = text.strip_prefix("```") {
            let content = start + text.len();
            open = Some((content, info.trim(), number + 1));
        } else if let Some(heading) = text.strip_prefix("### ") {
            found.push(Section {
                heading: heading.trim(),
                line: number,
                blocks: Vec::new(),
            });
        }
    }
    match open {
        Some((_, _, line)) => Err((line, "a fenced block is never closed".to_string())),
        None => Ok(found),
    }
}

/// Every line with the byte it begins at; the text of a line keeps its line end.
fn lines_of(file: &str) -> Vec<(usize, &str)> {
    let mut start = 0;
    file.split_inclusive('\n')
        .map(|text| {
            let line = (start, text);
            start += text.len();
            line
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_split_into_front_matter_documentation_and_cases() {
        let file = "---\nid: x\n---\n# Title\n\n```python\n## Cases\n```\n\n## Cases\n\n### One\n\n```python sick\na = 1\n```\nwords\n```yaml raised\nerror: E\n```\n### Two\n";
        let parts = split(file).unwrap();
        assert_eq!(parts.front_matter, "id: x\n");
        assert!(parts.documentation.starts_with("# Title") && parts.documentation.ends_with("```"));
        assert_eq!(parts.sections.len(), 2);
        let section = &parts.sections[0];
        assert_eq!((section.heading, section.line), ("One", 12));
        assert_eq!(section.blocks[0].text, "a = 1\n");
        assert_eq!(section.blocks[0].line, 15);
        assert_eq!(section.blocks[1].info, "yaml raised");
    }

    #[test]
    fn files_that_are_not_closed_are_refused_with_a_line() {
        assert_eq!(split("id: x\n").unwrap_err().0, 1);
        assert!(split("---\nid: x\n").unwrap_err().1.contains("closing"));
        let open = "---\nid: x\n---\n## Cases\n### A\n```python\nx\n";
        assert_eq!(
            split(open).unwrap_err(),
            (7, "a fenced block is never closed".to_string())
        );
    }
}
