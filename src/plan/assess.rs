//! What an update would do to what is stored: weighed from this install's own evidence, then what the app's fleet has seen, then what is
//! publicly known. A version table is never proof; it only gives advice.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::due::{LaneFacts, Scope};
use super::observe;
use crate::error::{Error, Result};
use crate::model::{
    Advice, Capability, Connectivity, Evidence, FourPartVersion, Lane, Reason, SessionSummary, Snapshot, State, words,
};

words! {
    /// What became of stored sessions.
    Fate { Kept = "kept", Lost = "lost", Unsupported = "unsupported" }
}

words! {
    /// How far something that others have seen is to be believed.
    Confidence { Certain = "certain", Likely = "likely", Disputed = "disputed" }
}

words! {
    /// A part of the platform that knowledge is about.
    Component { Electron = "electron", Chromium = "chromium", Cdm = "cdm" }
}

/// What others have seen of versions from `since` up to, but not including, `until`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Knowledge {
    pub key_system: String,
    pub component: Component,
    pub since: String,
    #[serde(default)]
    pub until: Option<String>,
    pub outcome: Fate,
    pub confidence: Confidence,
    #[serde(default)]
    pub source: String,
}

/// What is publicly known, with its sources. They disagree.
pub fn public_knowledge() -> Result<Vec<Knowledge>> {
    serde_json::from_str(include_str!("knowledge.json")).map_err(|error| Error::Internal(error.to_string()))
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpdateReason {
    pub code: &'static str,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateAssessment {
    pub advice: Advice,
    pub reasons: Vec<UpdateReason>,
    /// Contents whose licences are bound to what changes.
    pub at_risk: BTreeSet<String>,
    /// Of these, contents of lanes that are known or suspected to have no persistent licences then.
    pub stranded: BTreeSet<String>,
    /// Of these, contents that could not be licensed again.
    pub not_renewable: BTreeSet<String>,
}

/// A lane with what is stored in it.
pub struct LaneStock<'a> {
    pub lane: &'a Lane,
    pub facts: LaneFacts,
    pub sessions: Vec<&'a SessionSummary>,
    /// What earlier changes of this lane did, newest first.
    pub evidence: Vec<&'a Evidence>,
}

/// `target`: the platform after the update; `is_known`: it names Electron or Chromium. `refused`: contents that the app's server would
/// refuse.
pub fn assess_update(
    stock: &[LaneStock<'_>],
    target: &Snapshot,
    is_known: bool,
    knowledge: &[Knowledge],
    refused: &BTreeSet<String>,
    scope: &Scope,
) -> UpdateAssessment {
    let mut found = UpdateAssessment {
        advice: Advice::Install,
        reasons: Vec::new(),
        at_risk: BTreeSet::new(),
        stranded: BTreeSet::new(),
        not_renewable: BTreeSet::new(),
    };
    for LaneStock { lane, facts, sessions, evidence } in stock {
        let changes = !is_known || observe(lane, target, scope.launch + 1).new_generation;
        if !changes || sessions.is_empty() || facts.capability == Some(Capability::Unsupported) {
            continue;
        }
        let contents =
            || sessions.iter().filter(|session| !session.canary).map(|session| session.content_id.to_string());
        found.at_risk.extend(contents());
        match expected(lane, target, is_known, evidence, knowledge) {
            Some((Fate::Unsupported, source)) => {
                found.stranded.extend(contents());
                found.say("persistent-license-unsupported", source);
            }
            Some((Fate::Lost, source)) => found.say("licenses-lost-before", source),
            Some((Fate::Kept, source)) => found.say("licenses-kept-before", source),
            None => {}
        }
        for session in sessions.iter().filter(|session| !session.canary) {
            if !session.renewable || is_refused(session) || refused.contains(&*session.content_id) {
                found.not_renewable.insert(session.content_id.to_string());
            }
        }
    }
    let is_readable =
        [&target.electron, &target.chromium].into_iter().all(|text| FourPartVersion::leniently(text).is_some());
    found.conclude(is_known, is_readable, scope)
}

impl UpdateAssessment {
    fn say(&mut self, code: &'static str, message: impl Into<String>) {
        let reason = UpdateReason { code, message: message.into() };
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    /// The app knows better, whatever has been found.
    #[must_use]
    pub fn overruled(mut self, advice: Advice) -> Self {
        self.say("policy", "the app's policy says so");
        self.advice = advice;
        self
    }

    fn conclude(mut self, is_known: bool, is_readable: bool, scope: &Scope) -> Self {
        if self.at_risk.is_empty() {
            self.say("nothing-at-risk", "nothing that is stored is bound to what changes");
            return self;
        }
        if is_known {
            self.say("binding-changes", format!("licences of {} contents have to be proven again", self.at_risk.len()));
        } else {
            self.say("target-unknown", "the update does not say which Electron and Chromium it brings");
        }
        if is_known && !is_readable {
            self.say("target-unknown", "the versions that the update is said to bring cannot be read");
        }
        if scope.connectivity == Connectivity::Offline {
            self.say("offline", "nothing could be licensed again without a network");
            self.not_renewable = self.at_risk.clone();
        }
        if !self.not_renewable.is_empty() {
            self.say("not-renewable", format!("{} contents could not be licensed again", self.not_renewable.len()));
        }
        self.advice = match (self.stranded.is_empty(), self.not_renewable.is_empty()) {
            (false, _) => Advice::Defer,
            (true, false) => Advice::Warn,
            (true, true) if is_known && !is_readable => Advice::Warn,
            (true, true) => Advice::Install,
        };
        self
    }
}

/// What the change is expected to do, and who says so. This install's own evidence comes first, then the app's, then the public's.
fn expected(
    lane: &Lane,
    target: &Snapshot,
    is_known: bool,
    evidence: &[&Evidence],
    knowledge: &[Knowledge],
) -> Option<(Fate, String)> {
    if !is_known {
        return None;
    }
    let is_same = |seen: &&&Evidence| seen.to.electron == target.electron && seen.to.chromium == target.chromium;
    let own = evidence.iter().filter(is_same).find_map(|seen| match (seen.unsupported, seen.lost, seen.kept) {
        (1.., _, _) => Some(Fate::Unsupported),
        (0, 1.., _) => Some(Fate::Lost),
        (0, 0, 1..) => Some(Fate::Kept),
        (0, 0, 0) => None,
    });
    if let Some(fate) = own {
        return Some((fate, "seen on this install".to_owned()));
    }
    let about = |known: &&Knowledge| known.key_system == lane.key.key_system && known.covers(target);
    // The app's stand before the public's; the first that is most sure is believed.
    let sure = [Confidence::Certain, Confidence::Likely, Confidence::Disputed];
    let best = sure.iter().find_map(|sure| knowledge.iter().filter(about).find(|known| known.confidence == *sure))?;
    Some((best.outcome, format!("{} ({})", best.source, best.confidence.as_str())))
}

impl Knowledge {
    /// A version that cannot be compared would silently never hold.
    pub fn check(&self) -> Result<()> {
        let is_version = |text: &str| match self.component {
            Component::Electron => semver::Version::parse(text).is_ok(),
            Component::Chromium | Component::Cdm => FourPartVersion::from_str(text).is_ok(),
        };
        let given = [("since", Some(&self.since)), ("until", self.until.as_ref())];
        match given.into_iter().find(|(_, text)| text.is_some_and(|text| !is_version(text))) {
            Some((field, _)) => {
                let like = if self.component == Component::Electron { "31.2.0" } else { "134.0.6998.179" };
                Err(Error::invalid(field, format!("a version of the {}, like {like}", self.component.as_str())))
            }
            None => Ok(()),
        }
    }

    fn covers(&self, target: &Snapshot) -> bool {
        let version = match self.component {
            Component::Electron => Some(target.electron.as_str()),
            Component::Chromium => Some(target.chromium.as_str()),
            Component::Cdm => target.cdm_version(&self.key_system),
        };
        let Some(version) = version.and_then(FourPartVersion::leniently) else { return false };
        let bound = |text: &String| FourPartVersion::leniently(text);
        bound(&self.since).is_some_and(|since| since <= version)
            && self.until.as_ref().and_then(bound).is_none_or(|until| version < until)
    }
}

/// Its server has said that there is no licence for it here.
fn is_refused(session: &SessionSummary) -> bool {
    let refusals = [Reason::Geo, Reason::Entitlement, Reason::OfflineNotAllowed, Reason::DeviceLimit, Reason::Revoked];
    session.standing.state == State::Blocked && session.standing.reason.is_some_and(|reason| refusals.contains(&reason))
}
