"""Declarative models of SQLAlchemy (1.4 and 2) for the tables of researcharr.

The extension makes the tables and keeps them: never call create_all() for them,
and leave them out of migrations (alembic_filter.py).  A movie, series or episode
is a Media with one row of the kind's table.  The server makes ids and times.  It
deletes what belongs to a row along with it, so the session need not load that.
"""
from sqlalchemy import Boolean, Column, Date, DateTime, FetchedValue, ForeignKey, Integer, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.orm import declarative_base, relationship

Base = declarative_base(metadata=MetaData(schema="researcharr"))


def key():
    return Column(UUID(as_uuid=True), primary_key=True, server_default=FetchedValue())


def kind_key():
    return Column(UUID(as_uuid=True), ForeignKey("researcharr.media.id", ondelete="CASCADE"), primary_key=True)


def made(kind=DateTime(timezone=True)):
    """A column that the server fills in new rows."""
    return Column(kind, server_default=FetchedValue())


def kept(kind=DateTime(timezone=True)):
    """A column that the server also changes."""
    return Column(kind, server_default=FetchedValue(), server_onupdate=FetchedValue())


def children(name, **options):
    return relationship(name, back_populates="media", cascade="all, delete-orphan", passive_deletes=True, **options)


class Media(Base):
    __tablename__ = "media"
    id = key()
    title = Column(Text, nullable=False)
    type = Column(Text, nullable=False)
    external_id = Column(Text)
    status = made(Text)
    details = Column("metadata", JSONB, server_default=FetchedValue())
    created_at = made()
    updated_at = kept()
    movie = children("Movie", uselist=False)
    series = children("Series", uselist=False)
    episode = children("Episode", uselist=False)
    jobs = children("Job")
    queue_items = children("QueueItem")
    # an UPDATE of a row that has changed since it was read raises StaleDataError
    __mapper_args__ = {"eager_defaults": True, "version_id_col": updated_at, "version_id_generator": False}


class Movie(Base):
    __tablename__ = "movies"
    media_id = kind_key()
    year = Column(Integer)
    imdb_id = Column(Text)
    tmdb_id = Column(Integer)
    runtime_minutes = Column(Integer)
    media = relationship("Media", back_populates="movie")


class Series(Base):
    __tablename__ = "series"
    media_id = kind_key()
    tvdb_id = Column(Integer)
    seasons = Column(Integer)
    episodes = Column(Integer)                 # how many the source counts
    media = relationship("Media", back_populates="series")
    episode_rows = relationship("Episode", back_populates="series", foreign_keys="Episode.series_id",
                                passive_deletes="all")


class Episode(Base):
    __tablename__ = "episodes"
    media_id = kind_key()
    series_id = Column(UUID(as_uuid=True), ForeignKey("researcharr.series.media_id", ondelete="CASCADE"), nullable=False)
    season_number = Column(Integer, nullable=False)
    episode_number = Column(Integer, nullable=False)
    air_date = Column(Date)
    media = relationship("Media", back_populates="episode")
    series = relationship("Series", back_populates="episode_rows", foreign_keys=[series_id])


class Job(Base):
    """A job.  The functions keep status, attempt and the like: never assign them."""
    __tablename__ = "processing_jobs"
    id = key()
    media_id = Column(UUID(as_uuid=True), ForeignKey("researcharr.media.id", ondelete="CASCADE"), nullable=False)
    job_type = Column(Text, nullable=False)
    status = kept(Text)
    priority = made(Integer)
    retry_count = kept(Integer)
    max_retries = made(Integer)
    error_message = kept(Text)
    started_at = kept()
    completed_at = kept()
    details = Column("metadata", JSONB, server_default=FetchedValue())
    created_at = made()
    updated_at = kept()
    attempt = kept(Integer)
    available_at = kept()
    lease_expires_at = kept()
    worker = kept(Text)
    result = kept(JSONB)
    unique_key = Column(Text)
    media = relationship("Media", back_populates="jobs")


class QueueItem(Base):
    __tablename__ = "queue_items"
    id = key()
    media_id = Column(UUID(as_uuid=True), ForeignKey("researcharr.media.id", ondelete="CASCADE"), nullable=False)
    service = Column(Text, nullable=False)
    priority = made(Integer)
    added_at = made()
    last_processed = Column(DateTime(timezone=True))
    retry_count = made(Integer)
    next_retry_at = Column(DateTime(timezone=True))
    details = Column("metadata", JSONB, server_default=FetchedValue())
    media = relationship("Media", back_populates="queue_items")


class Setting(Base):
    """A setting of the application.  Only admins may read the table itself."""
    __tablename__ = "configuration"
    id = key()
    key = Column(Text, nullable=False, unique=True)
    value = Column(Text, nullable=False)
    value_type = made(Text)
    description = Column(Text)
    secret = made(Boolean)
    created_at = made()
    updated_at = kept()
