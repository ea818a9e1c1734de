//! The patients that the binary carries: their files laid into a folder, and how each is started.

use super::model::Model;
use crate::exit::{self, Stop};
use anyhow::{Context, Result};
use rust_embed::RustEmbed;
use std::fs;
use std::path::Path;

/// Sources, tests and models; no databases and nothing that a run leaves behind.
#[derive(RustEmbed)]
#[folder = "../../patients/python"]
#[include = "*/*"]
#[include = "*/**/*"]
#[exclude = "*/data/*"]
#[exclude = "*/.homeostasis/*"]
#[exclude = "**/__pycache__/*"]
#[exclude = "**/.pytest_cache/*"]
#[exclude = "**/.pytest_cache/**/*"]
struct Patients;

/// The model says what is sick; the program's folder must not hold it, so that nobody can say it was read there.
const MODEL: [&str; 2] = ["expected.toml", "traffic.toml"];

/// A patient that can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patient {
    Shop,
    Api,
}

impl Patient {
    /// Every patient.
    pub(super) const ALL: [Patient; 2] = [Patient::Shop, Patient::Api];

    /// The patient of that name.
    pub(super) fn named(name: &str) -> Result<Patient> {
        Self::ALL
            .into_iter()
            .find(|patient| patient.name() == name)
            .ok_or_else(|| {
                let names = Self::ALL.map(Patient::name).join(" and ");
                Stop::new(
                    exit::USAGE,
                    format!("there is no patient \"{name}\""),
                    format!("the patients are {names}"),
                )
                .into()
            })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Patient::Shop => "shop",
            Patient::Api => "api",
        }
    }

    /// What it is, in a few words.
    pub(super) fn description(self) -> &'static str {
        match self {
            Patient::Shop => "a tea shop: Flask and SQLAlchemy under gunicorn with 4 workers",
            Patient::Api => "the interface of a nursery's greenhouses: FastAPI under uvicorn",
        }
    }

    /// Its usual command line: a program of its environment and its arguments.
    pub(super) fn command(self, port: u16) -> Vec<String> {
        let words = match self {
            Patient::Shop => {
                format!("gunicorn -w 4 -b 127.0.0.1:{port} --no-control-socket shop:app")
            }
            Patient::Api => format!("uvicorn api:app --host 127.0.0.1 --port {port}"),
        };
        words.split(' ').map(str::to_string).collect()
    }

    /// Its model.
    pub(super) fn model(self) -> Result<Model> {
        Model::read(&self.text(MODEL[0])?, &self.text(MODEL[1])?)
            .with_context(|| format!("the model of {} is not right", self.name()))
    }

    /// The list of its packages.
    pub(super) fn requirements(self) -> Result<String> {
        self.text("requirements.txt")
    }

    /// Writes its sources and tests into `folder`.
    pub(super) fn lay(self, folder: &Path) -> Result<()> {
        for path in Patients::iter() {
            let Some(relative) = path
                .strip_prefix(self.name())
                .and_then(|rest| rest.strip_prefix('/'))
            else {
                continue;
            };
            if MODEL.contains(&relative) {
                continue;
            }
            let file = Patients::get(&path).context("the binary lacks a file of its patient")?;
            let to = folder.join(relative);
            fs::create_dir_all(to.parent().unwrap_or(folder))?;
            fs::write(&to, &file.data).with_context(|| format!("cannot write {}", to.display()))?;
        }
        Ok(())
    }

    fn text(self, name: &str) -> Result<String> {
        let path = format!("{}/{name}", self.name());
        let file = Patients::get(&path).with_context(|| format!("the binary lacks {path}"))?;
        String::from_utf8(file.data.into_owned()).with_context(|| format!("{path} is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_patient_comes_with_sources_tests_and_a_model_that_can_be_read() {
        for patient in Patient::ALL {
            let folder = tempfile::tempdir().unwrap();
            patient.lay(folder.path()).unwrap();
            assert!(
                folder
                    .path()
                    .join(patient.name())
                    .join("__init__.py")
                    .is_file()
            );
            assert!(folder.path().join("tests/conftest.py").is_file());
            assert!(!folder.path().join("expected.toml").exists());
            assert!(!patient.requirements().unwrap().is_empty());
            assert!(!patient.model().unwrap().bugs.is_empty());
        }
    }

    #[test]
    fn the_classes_of_the_models_are_codes_of_the_taxonomy() {
        for patient in Patient::ALL {
            for bug in patient.model().unwrap().bugs {
                let known = homeostasis_domain::fault::taxonomy()
                    .iter()
                    .any(|fault| fault.code.as_str() == bug.class);
                assert!(
                    known,
                    "{}: {} is no code of the taxonomy",
                    bug.id, bug.class
                );
            }
        }
    }

    #[test]
    fn nothing_that_a_run_leaves_behind_is_carried() {
        let left = Patients::iter().find(|path| {
            path.contains("__pycache__")
                || path.contains("/data/")
                || path.contains(".pytest_cache")
        });
        assert_eq!(left, None);
    }

    #[test]
    fn another_name_is_a_mistake_of_the_command_line() {
        let error = Patient::named("bank").unwrap_err();
        assert_eq!(
            error.downcast_ref::<Stop>().map(|stop| stop.code),
            Some(exit::USAGE)
        );
    }
}
