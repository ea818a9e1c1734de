//! How the running program is started, and how it is started again inside a sandbox; nothing is run here.

use homeostasis_sandbox::{Limits, Spec};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The program as the user runs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The user's own command line.
    pub command: Vec<String>,
    /// Where it is started.
    pub cwd: PathBuf,
    /// The variables it runs with.
    pub environment: BTreeMap<String, String>,
    /// The folder whose files belong to it.
    pub root: PathBuf,
    /// What else it needs to see: the interpreter's prefixes, its module search path.
    pub readable: Vec<PathBuf>,
    /// Its interpreter.
    pub python: PathBuf,
    /// Folder of the agent, which replays requests.
    pub agent_path: PathBuf,
}

impl Program {
    /// A run of `command` on a view of `tree` in the place of the program's own folder.
    pub(crate) fn spec(
        &self,
        tree: &Path,
        command: Vec<String>,
        overrides: Vec<(PathBuf, Vec<u8>)>,
        limits: Limits,
    ) -> Spec {
        Spec {
            command,
            cwd: self.cwd.clone(),
            environment: self.environment(),
            tree: tree.to_path_buf(),
            mount_at: self.root.clone(),
            readable: self.readable(),
            overrides,
            inputs: Vec::new(),
            limits,
        }
    }

    /// Its variables without those that tie it to this Homeostasis, and without the agent in front of its modules.
    fn environment(&self) -> BTreeMap<String, String> {
        let mut environment: BTreeMap<String, String> = self
            .environment
            .iter()
            .filter(|(name, _)| !name.starts_with("HOMEOSTASIS_"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let path = self.python_path();
        if path.is_empty() {
            environment.remove("PYTHONPATH");
        } else {
            environment.insert("PYTHONPATH".to_string(), path.join(":"));
        }
        environment
    }

    /// The same, with the agent first, as `homeostasis run` injects it.
    pub(crate) fn environment_with_agent(&self) -> BTreeMap<String, String> {
        let mut environment = self.environment();
        let mut path = vec![self.agent_path.display().to_string()];
        path.extend(self.python_path());
        environment.insert("PYTHONPATH".to_string(), path.join(":"));
        environment.insert(
            "HOMEOSTASIS_ROOT".to_string(),
            self.root.display().to_string(),
        );
        environment
    }

    fn python_path(&self) -> Vec<String> {
        let agent = self.agent_path.display().to_string();
        self.environment
            .get("PYTHONPATH")
            .map(|path| {
                path.split(':')
                    .filter(|part| part.trim_end_matches('/') != agent.trim_end_matches('/'))
                    .map(str::to_string)
                    .collect()
            })
            .unwrap_or_default()
    }

    /// What was named, and what the links on the way to the interpreter and the command point at.
    fn readable(&self) -> Vec<PathBuf> {
        let mut readable: BTreeSet<PathBuf> = self.readable.iter().cloned().collect();
        readable.insert(self.agent_path.clone());
        let command = self.command.first().map(PathBuf::from);
        for program in command.iter().chain([&self.python]) {
            for link in links(program) {
                if let Some(prefix) = installation_of(&link) {
                    readable.insert(prefix);
                }
            }
        }
        // A folder may be named by way of a link, and modules then be found under its real name.
        let real: Vec<PathBuf> = readable
            .iter()
            .filter_map(|path| path.canonicalize().ok())
            .collect();
        readable.extend(real);
        readable.into_iter().collect()
    }
}

/// The file and all that it leads to by symbolic links.
fn links(file: &Path) -> Vec<PathBuf> {
    let mut chain = Vec::new();
    let mut next = file.is_absolute().then(|| file.to_path_buf());
    while let Some(path) = next.take() {
        if chain.len() > 8 {
            break;
        }
        if let Ok(target) = std::fs::read_link(&path) {
            next = path.parent().map(|folder| folder.join(target));
        }
        chain.push(path);
    }
    chain.extend(file.canonicalize().ok());
    chain
}

/// `PREFIX` of `PREFIX/bin/name`.
fn installation_of(file: &Path) -> Option<PathBuf> {
    let bin = file.parent()?;
    bin.ends_with("bin")
        .then(|| bin.parent().map(Path::to_path_buf))
        .flatten()
        .filter(|prefix| prefix.parent().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ties_a_program_to_the_watcher_does_not_reach_the_sandbox() {
        let program = Program {
            command: vec!["app".into()],
            cwd: "/srv/app".into(),
            environment: BTreeMap::from([
                ("HOMEOSTASIS_SOCKET".into(), "/run/x".into()),
                ("PYTHONPATH".into(), "/agent:/srv/lib".into()),
                ("DEBUG".into(), "1".into()),
            ]),
            root: "/srv/app".into(),
            readable: vec![],
            python: "/usr/bin/python3".into(),
            agent_path: "/agent".into(),
        };
        let plain = program.environment();
        assert_eq!(
            plain.get("PYTHONPATH").map(String::as_str),
            Some("/srv/lib")
        );
        assert!(!plain.contains_key("HOMEOSTASIS_SOCKET"));
        assert_eq!(plain.get("DEBUG").map(String::as_str), Some("1"));
        let with = program.environment_with_agent();
        assert_eq!(
            with.get("PYTHONPATH").map(String::as_str),
            Some("/agent:/srv/lib")
        );
    }

    #[test]
    fn the_installation_of_a_program_is_the_folder_above_its_bin() {
        assert_eq!(
            installation_of(Path::new("/opt/py/bin/python3")),
            Some("/opt/py".into())
        );
        assert_eq!(installation_of(Path::new("/bin/sh")), None);
        assert_eq!(installation_of(Path::new("/srv/app/run")), None);
    }
}
