-- One row an airport and hour. Figures that were not observed are null.

create schema weather;

create table weather.observation (
    airport     text not null,
    hour        timestamptz not null check (hour = date_trunc('hour', hour, 'UTC')),
    temperature double precision check (temperature between -100 and 150),    -- degrees Fahrenheit
    dew_point   double precision check (dew_point between -150 and 150),      -- degrees Fahrenheit
    humidity    double precision check (humidity between 0 and 100),          -- percent
    wind_from   double precision check (wind_from between 0 and 360),         -- degrees
    -- The feed holds a gale of 1,048 miles per hour. It is kept as it came: to correct it is not the database's business.
    wind_speed  double precision check (wind_speed >= 0),                     -- miles per hour
    gusts       double precision check (gusts >= 0),                          -- miles per hour
    rain        double precision check (rain >= 0),                           -- inches
    pressure    double precision check (pressure > 0),                        -- millibars
    visibility  double precision check (visibility >= 0),                     -- miles
    primary key (airport, hour)
);
