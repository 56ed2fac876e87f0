//! Forgetting for good: nothing of it is left in the folder.

use super::debts::remove;
use super::{Engine, blocking};
use crate::error::Result;
use crate::model::account;
use crate::store::Tx;

impl Engine {
    /// Forgets everything but this launch; with `account` the sessions of that account, whose licences become debt without the name
    /// of their content. What was deleted is overwritten, in the database and in files beside it.
    pub async fn erase(&self, of_account: Option<String>) -> Result<()> {
        let of_account = of_account.map(account).transpose()?;
        let launch = self.memory().launch;
        let job = move |tx: &mut Tx<'_>| match of_account {
            None => tx.erase_all(launch),
            Some(account) => {
                for mut session in tx.sessions_of_account(&account)? {
                    session.content_id.clear();
                    remove(tx, &session)?;
                }
                for mut debt in tx.debts()? {
                    if tx.sessions_of_content(&debt.content_id)?.is_empty() {
                        debt.content_id.clear();
                        tx.save_debt(&debt)?;
                    }
                }
                Ok(())
            }
        };
        self.store.write(job).await?;
        let store = std::sync::Arc::clone(&self.store);
        blocking(move || store.scrub()).await?
    }
}
