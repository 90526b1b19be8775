//! Names of variables: what a reference means is settled where the configuration ends, since whoever defines a name may
//! come later than who uses it.

use std::collections::HashMap;
use std::sync::Arc;

use super::builtin::{self, Builtin, FAMILIES, Family, Kind};
use super::computed::{Computed, Source};
use super::template::{Part, Template};

/// A reference to a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// One that nothing can redefine.
    Builtin(Builtin),
    /// `$1` to `$9`: a group of the last regular expression that matched.
    Capture(u8),
    /// Any other: an index into [`Variables`].
    Named(usize),
}

/// What gives a variable its value as long as no `set` has.
#[derive(Clone, Debug, Default)]
pub enum Meaning {
    /// Nothing: an error, if it stays so.
    #[default]
    Unknown,
    /// A built-in variable that can be redefined.
    Builtin(Builtin),
    /// A member of a family.
    Family(Family, Box<[u8]>),
    /// `set` somewhere: empty until then.
    Set,
    /// A named group of a regular expression: none until it matched.
    Group,
    /// `map`, `geo`, `split_clients`.
    Computed(Arc<Computed>),
}

/// All variables of one configuration.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    names: Vec<String>,
    meanings: Vec<Meaning>,
    index: HashMap<String, usize>,
    late: Vec<bool>,
}

impl Variables {
    /// Names of the variables that are no fixed built-in ones, by index.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of one of them.
    pub fn name(&self, index: usize) -> &str {
        self.names.get(index).map_or("", String::as_str)
    }

    /// What gives it its value.
    pub fn meaning(&self, index: usize) -> &Meaning {
        self.meanings.get(index).unwrap_or(&Meaning::Unknown)
    }

    /// Whether the value is settled only with the answer.
    pub fn is_late(&self, variable: &Variable) -> bool {
        match variable {
            Variable::Builtin(builtin) => builtin::is_late(*builtin),
            Variable::Capture(_) => false,
            Variable::Named(index) => self.late.get(*index).copied().unwrap_or(false),
        }
    }

    /// The variable `set` gives a value to, made if it is new. Names of variables ignore case, as in nginx.
    ///
    /// # Errors
    /// nginx's text for a variable that cannot be set.
    pub fn define(&mut self, name: &str) -> Result<usize, String> {
        let index = self.open(name)?;
        let meaning = &mut self.meanings[index];
        if matches!(meaning, Meaning::Unknown) {
            *meaning = Meaning::Set;
        }
        Ok(index)
    }

    /// The variable of a named group.
    ///
    /// # Errors
    /// nginx's text for a variable that cannot be set.
    pub fn define_group(&mut self, name: &str) -> Result<usize, String> {
        let index = self.open(name)?;
        self.meanings[index] = Meaning::Group;
        Ok(index)
    }

    /// Says how the value of a variable that is [defined](Variables::define) is computed; of several ways the last one counts.
    pub fn compute(&mut self, index: usize, computed: Computed) {
        if let Some(meaning) = self.meanings.get_mut(index) {
            *meaning = Meaning::Computed(Arc::new(computed));
        }
    }

    /// Resolves a name without its `$` (captures have none: `${1}` is a variable named `1`). A name that nothing has
    /// defined by the end of the configuration is an error; see [`Variables::undefined`].
    pub fn resolve(&mut self, name: &str) -> Variable {
        let lower = name.to_ascii_lowercase();
        match builtin::find(&lower) {
            Some(row) if row.kind != Kind::Open => Variable::Builtin(row.variable),
            _ => Variable::Named(self.reference(&lower)),
        }
    }

    /// Names that were used and never defined, in order of use: nginx's `unknown "x" variable`.
    pub fn undefined(&self) -> impl Iterator<Item = &str> {
        let unknown = |meaning: &Meaning| matches!(meaning, Meaning::Unknown);
        self.names
            .iter()
            .zip(&self.meanings)
            .filter(move |(_, meaning)| unknown(meaning))
            .map(|(name, _)| name.as_str())
    }

    /// The index of a built-in variable that can be redefined, if the configuration mentions it.
    pub fn find(&self, builtin: Builtin) -> Option<usize> {
        let name = builtin::all().find(|row| row.variable == builtin)?.name;
        self.index.get(name).copied()
    }

    /// Whether something defines a variable of that name.
    pub fn is_defined(&self, name: &str) -> bool {
        self.index.get(name).is_some_and(|index| !matches!(self.meanings[*index], Meaning::Unknown))
    }

    /// Finds out which values wait for the answer, since what they are computed from does.
    pub fn settle(&mut self) {
        let from_the_start = |meaning: &Meaning| match meaning {
            Meaning::Family(family, _) => family.is_late(),
            Meaning::Builtin(builtin) => builtin::is_late(*builtin),
            _ => false,
        };
        self.late = self.meanings.iter().map(from_the_start).collect();
        loop {
            let next: Vec<bool> = (0..self.meanings.len()).map(|index| self.depends_on_late(index)).collect();
            if next == self.late {
                break;
            }
            self.late = next;
        }
    }

    fn depends_on_late(&self, index: usize) -> bool {
        let is_late = |template: &Template| {
            let mut parts = template.parts().iter();
            parts.any(|part| matches!(part, Part::Variable(variable) if self.is_late(variable)))
        };
        let Meaning::Computed(computed) = &self.meanings[index] else { return self.late[index] };
        match &computed.source {
            Source::Map(map) => is_late(&map.source) || map.values().any(is_late),
            Source::Geo(geo) => geo.address.as_ref().is_some_and(|address| self.is_late(address)),
            Source::SplitClients(split) => is_late(&split.key),
        }
    }

    /// A variable that can be redefined.
    fn open(&mut self, name: &str) -> Result<usize, String> {
        let name = name.to_ascii_lowercase();
        if builtin::is_open(&name) {
            Ok(self.reference(&name))
        } else {
            Err(format!("the duplicate \"{name}\" variable"))
        }
    }

    /// The index of a name in lower case.
    fn reference(&mut self, name: &str) -> usize {
        if let Some(index) = self.index.get(name) {
            return *index;
        }
        let index = self.names.len();
        self.names.push(name.to_owned());
        self.meanings.push(built_in_meaning(name));
        self.index.insert(name.to_owned(), index);
        index
    }
}

/// What a name means before a configuration says anything.
fn built_in_meaning(name: &str) -> Meaning {
    if let Some(row) = builtin::find(name) {
        return Meaning::Builtin(row.variable);
    }
    let mut families = FAMILIES.iter();
    let found = families.find_map(|row| Some((row.family, name.strip_prefix(row.prefix)?)));
    found.map_or(Meaning::Unknown, |(family, rest)| Meaning::Family(family, rest.as_bytes().into()))
}
