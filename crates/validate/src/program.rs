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
        // The interpreter that runs the program comes first, and with it the servers installed beside it: what a
        // version manager's wrapper would choose is already known, and the wrapper itself is not visible inside.
        if let Some(bin) = self.python.parent() {
            let rest = environment
                .get("PATH")
                .map_or("/usr/bin:/bin", String::as_str);
            let path = format!("{}:{rest}", bin.display());
            environment.insert("PATH".to_string(), path);
        }
        // A program may import the package `homeostasis` that lies beside the agent; it comes last, and does nothing there.
        let mut path = self.python_path();
        path.push(self.agent_path.display().to_string());
        environment.insert("PYTHONPATH".to_string(), path.join(":"));
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

    /// The file that the command line starts, looked up as a shell would.
    fn program_file(&self) -> Option<PathBuf> {
        let name = self.command.first()?;
        if name.contains('/') {
            return Some(self.cwd.join(name));
        }
        let path = self.environment.get("PATH")?;
        std::env::split_paths(path)
            .chain(self.python.parent().map(Path::to_path_buf))
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    }

    /// What was named, and what the links on the way to the interpreter and the command point at.
    fn readable(&self) -> Vec<PathBuf> {
        let mut readable: BTreeSet<PathBuf> = self.readable.iter().cloned().collect();
        readable.insert(self.agent_path.clone());
        for program in self.program_file().iter().chain([&self.python]) {
            for link in links(program) {
                readable.extend(installation_of(&link));
                readable.insert(link);
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

/// `PREFIX` of `PREFIX/bin/name`, when an interpreter is installed there; a home folder may have a `bin`, too.
fn installation_of(file: &Path) -> Option<PathBuf> {
    let bin = file.parent()?;
    let prefix = bin.ends_with("bin").then(|| bin.parent()).flatten()?;
    let library = std::fs::read_dir(prefix.join("lib")).ok();
    let has_library = library.into_iter().flatten().flatten().any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("python") && entry.path().is_dir()
    });
    let is_interpreter = has_library || prefix.join("pyvenv.cfg").exists();
    (is_interpreter && prefix.parent().is_some()).then(|| prefix.to_path_buf())
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
            Some("/srv/lib:/agent")
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
    fn the_installation_of_a_program_is_the_folder_above_its_bin_if_an_interpreter_is_there() {
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("bin/run");
        assert_eq!(installation_of(&program), None);
        std::fs::create_dir_all(home.path().join("lib/python3.12")).unwrap();
        assert_eq!(installation_of(&program).as_deref(), Some(home.path()));
        assert_eq!(installation_of(Path::new("/bin/sh")), None);
    }

    #[test]
    fn a_command_is_looked_up_as_a_shell_would() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("serve");
        std::fs::write(&file, "").unwrap();
        let program = Program {
            command: vec!["serve".into()],
            cwd: "/srv/app".into(),
            environment: BTreeMap::from([(
                "PATH".into(),
                format!("/none:{}", folder.path().display()),
            )]),
            root: "/srv/app".into(),
            readable: vec![],
            python: "/usr/bin/python3".into(),
            agent_path: "/agent".into(),
        };
        assert_eq!(program.program_file(), Some(file.clone()));
        assert!(program.readable().contains(&file));
        assert!(program.environment()["PATH"].starts_with("/usr/bin:/none:"));
    }
}
