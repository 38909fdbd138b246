//! Where products are kept: one SQLite file.
//!
//! In: valid drafts and ids. Out: products as they are stored. Every call is one transaction, on
//! disk when it returns. What a valid product is, is not known here.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension, Result, Row, TransactionBehavior, params};
use thiserror::Error;

use crate::product::{Draft, Price, Product};

/// How long a call waits for another process that writes: while a new version of the function takes
/// over, two run for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS products (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        amount INTEGER NOT NULL,
        currency TEXT NOT NULL,
        tags TEXT NOT NULL,
        created_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID";

const COLUMNS: &str = "id, name, amount, currency, tags, created_at";

/// The products.
pub(crate) struct Store {
    db: Connection,
}

/// Why the store can't be used.
#[derive(Debug, Error)]
#[error("{path}: {source}")]
pub(crate) struct Unopenable {
    path: PathBuf,
    source: Box<dyn Error + Send + Sync>,
}

/// Some products in the order of their ids.
pub(crate) struct Page {
    pub(crate) products: Vec<Product>,
    /// Whether there are more behind them.
    pub(crate) more: bool,
}

/// What a put did.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Put {
    /// There was none of this id.
    Created(Product),
    /// There was one; it keeps its `createdAt`.
    Replaced(Product),
}

impl Store {
    /// Opens the database at `path`; makes it, and its folder, if they are not there.
    pub(crate) fn open(path: &Path) -> Result<Self, Unopenable> {
        let unopenable = |source| Unopenable {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| unopenable(error.into()))?;
        }
        Self::connect(path).map_err(|error| unopenable(error.into()))
    }

    fn connect(path: &Path) -> Result<Self> {
        let db = Connection::open(path)?;
        db.busy_timeout(BUSY_TIMEOUT)?;
        // Readers and a writer don't wait for each other, and FULL keeps what was answered through
        // a loss of power.
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.execute(SCHEMA, [])?;
        Ok(Self { db })
    }

    /// Finds one product.
    pub(crate) fn find(&self, id: &str) -> Result<Option<Product>> {
        find(&self.db, id)
    }

    /// The first `limit` products whose ids come after `after`.
    pub(crate) fn page(&self, after: &str, limit: u32) -> Result<Page> {
        let sql = format!("SELECT {COLUMNS} FROM products WHERE id > ?1 ORDER BY id LIMIT ?2");
        let mut statement = self.db.prepare_cached(&sql)?;
        // One more than asked for tells whether there are more.
        let rows = statement.query_map(params![after, limit.saturating_add(1)], product)?;
        let mut products = rows.collect::<Result<Vec<_>>>()?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = products.len() > limit;
        products.truncate(limit);
        Ok(Page { products, more })
    }

    /// Stores a new product under a new id: 64 random bits.
    pub(crate) fn create(&mut self, draft: &Draft) -> Result<Product> {
        let id: String = self
            .db
            .query_row("SELECT lower(hex(randomblob(8)))", [], |row| row.get(0))?;
        insert(&self.db, &id, draft)
    }

    /// Stores a product under a given id. The same put twice leaves what the first one left.
    pub(crate) fn put(&mut self, id: &str, draft: &Draft) -> Result<Put> {
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let put = match update(&transaction, id, draft)? {
            Some(product) => Put::Replaced(product),
            None => Put::Created(insert(&transaction, id, draft)?),
        };
        transaction.commit()?;
        Ok(put)
    }

    /// Changes the product `id` by `edit`, which sees it as it is and gives it as it should be;
    /// none of this id: `None`; a refused edit changes nothing.
    pub(crate) fn edit<E: From<rusqlite::Error>>(
        &mut self,
        id: &str,
        edit: impl FnOnce(&Product) -> Result<Draft, E>,
    ) -> Result<Option<Product>, E> {
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let Some(product) = find(&transaction, id)? else {
            return Ok(None);
        };
        let edited = update(&transaction, id, &edit(&product)?)?;
        transaction.commit()?;
        Ok(edited)
    }

    /// Removes the product `id`; false: there is none.
    pub(crate) fn remove(&mut self, id: &str) -> Result<bool> {
        let removed = self
            .db
            .execute("DELETE FROM products WHERE id = ?1", [id])?;
        Ok(removed > 0)
    }
}

fn find(db: &Connection, id: &str) -> Result<Option<Product>> {
    let sql = format!("SELECT {COLUMNS} FROM products WHERE id = ?1");
    db.prepare_cached(&sql)?.query_row([id], product).optional()
}

fn insert(db: &Connection, id: &str, draft: &Draft) -> Result<Product> {
    let sql = format!(
        "INSERT INTO products ({COLUMNS})
         VALUES (?1, ?2, ?3, ?4, ?5, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) RETURNING {COLUMNS}"
    );
    write(db, &sql, id, draft)
}

fn update(db: &Connection, id: &str, draft: &Draft) -> Result<Option<Product>> {
    let sql = format!(
        "UPDATE products SET name = ?2, amount = ?3, currency = ?4, tags = ?5
         WHERE id = ?1 RETURNING {COLUMNS}"
    );
    write(db, &sql, id, draft).optional()
}

fn write(db: &Connection, sql: &str, id: &str, draft: &Draft) -> Result<Product> {
    let Draft { name, price, tags } = draft;
    let tags = serde_json::Value::from(tags.clone()).to_string();
    let values = params![id, name, price.amount, price.currency, tags];
    db.prepare_cached(sql)?.query_row(values, product)
}

fn product(row: &Row<'_>) -> Result<Product> {
    let tags: String = row.get(4)?;
    let tags = serde_json::from_str(&tags).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(4, rusqlite::types::Type::Text, error.into())
    })?;
    Ok(Product {
        id: row.get(0)?,
        draft: Draft {
            name: row.get(1)?,
            price: Price {
                amount: row.get(2)?,
                currency: row.get(3)?,
            },
            tags,
        },
        created_at: row.get(5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(name: &str) -> Draft {
        Draft {
            name: name.into(),
            price: Price {
                amount: 1250,
                currency: "EUR".into(),
            },
            tags: vec!["a \"quoted\" tag".into()],
        }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("deep/er/products.db")).unwrap();
        (dir, store)
    }

    #[test]
    fn what_is_stored_is_there_after_a_restart() {
        let (dir, mut store) = store();
        let mug = store.create(&draft("Mug")).unwrap();
        drop(store);
        let store = Store::open(&dir.path().join("deep/er/products.db")).unwrap();
        assert_eq!(store.find(&mug.id).unwrap(), Some(mug));
    }

    #[test]
    fn a_put_creates_once_and_then_replaces() {
        let (_dir, mut store) = store();
        let Put::Created(first) = store.put("mug", &draft("Mug")).unwrap() else {
            panic!("replaced what was not there")
        };
        let again = store.put("mug", &draft("Mug")).unwrap();
        assert_eq!(again, Put::Replaced(first.clone()));
        let Put::Replaced(cup) = store.put("mug", &draft("Cup")).unwrap() else {
            panic!("created what was there")
        };
        assert_eq!(cup.draft.name, "Cup");
        assert_eq!(cup.created_at, first.created_at);
    }

    #[test]
    fn an_edit_is_whole_or_not_at_all() {
        let (_dir, mut store) = store();
        store.put("mug", &draft("Mug")).unwrap();
        let edited = store.edit("mug", |_| Ok::<_, rusqlite::Error>(draft("Cup")));
        assert_eq!(edited.unwrap().unwrap().draft.name, "Cup");
        let refused = store.edit("mug", |_| Err(rusqlite::Error::InvalidQuery));
        assert!(refused.is_err());
        assert_eq!(store.find("mug").unwrap().unwrap().draft.name, "Cup");
        let absent = store.edit("cup", |_| Ok::<_, rusqlite::Error>(draft("Cup")));
        assert_eq!(absent.unwrap(), None);
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        let (_dir, mut store) = store();
        for id in ["c", "a", "e", "b", "d"] {
            store.put(id, &draft(id)).unwrap();
        }
        let ids = |page: &Page| -> String { page.products.iter().map(|p| p.id.as_str()).collect() };
        let first = store.page("", 2).unwrap();
        assert_eq!((ids(&first).as_str(), first.more), ("ab", true));
        // What is written between two pages neither repeats nor hides anything else.
        store.put("aa", &draft("aa")).unwrap();
        store.remove("b").unwrap();
        let second = store.page("b", 2).unwrap();
        assert_eq!((ids(&second).as_str(), second.more), ("cd", true));
        let last = store.page("d", 2).unwrap();
        assert_eq!((ids(&last).as_str(), last.more), ("e", false));
        let exact = store.page("c", 2).unwrap();
        assert_eq!((ids(&exact).as_str(), exact.more), ("de", false));
    }

    #[test]
    fn a_product_is_removed_once() {
        let (_dir, mut store) = store();
        store.put("mug", &draft("Mug")).unwrap();
        assert!(store.remove("mug").unwrap());
        assert!(!store.remove("mug").unwrap());
        assert_eq!(store.find("mug").unwrap(), None);
    }

    #[test]
    fn two_connections_share_one_database() {
        let (dir, mut store) = store();
        let mut other = Store::open(&dir.path().join("deep/er/products.db")).unwrap();
        store.put("mug", &draft("Mug")).unwrap();
        other.put("cup", &draft("Cup")).unwrap();
        assert_eq!(store.page("", 9).unwrap().products.len(), 2);
    }

    #[test]
    fn a_path_that_cannot_be_a_database_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let path = file.join("products.db");
        let error = Store::open(&path).err().unwrap().to_string();
        assert!(error.starts_with(path.to_str().unwrap()), "{error}");
    }
}
