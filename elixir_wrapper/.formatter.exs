[
  inputs: ["{mix,.formatter}.exs", "{lib,test,test_projects}/**/*.{ex,exs}"]
]
