defmodule Linx.Netlink.Port.Process do
  @moduledoc """
  An operating-system process that can be killed without hitting another one.

  A process id is used again when its process is gone. Together with the time at which the process
  started it is unique.

  One with more capabilities than the BEAM can't be identified where /proc hides the processes of others
  (`hidepid`), and so is not killed.
  """

  @enforce_keys [:pid, :started]
  defstruct @enforce_keys

  @type t() :: %__MODULE__{pid: pos_integer(), started: String.t()}

  @doc "The process that has this id now, `nil` if there is none."
  @spec identify(pos_integer() | nil) :: t() | nil
  def identify(nil), do: nil

  def identify(pid) do
    case started(pid) do
      {:ok, started} -> %__MODULE__{pid: pid, started: started}
      :error -> nil
    end
  end

  @doc """
  Kills processes that may not listen to anything else. Nobody waits for it.

  The BEAM can't send signals; a shell can, and is there on every machine. It is a last resort: the
  port program ends by itself when its input does, unless it is stopped or is none.
  """
  @spec kill([t()]) :: :ok
  def kill(processes) do
    _pid = spawn(fn -> Enum.each(processes, &kill_now/1) end)
    :ok
  end

  defp kill_now(%__MODULE__{pid: pid} = process) do
    if identify(pid) == process do
      System.cmd("/bin/sh", ["-c", "kill -KILL #{pid}"], stderr_to_stdout: true)
    end
  end

  # The 22nd field of /proc/PID/stat. The second, the name, may contain anything, but ends with the
  # last parenthesis.
  defp started(pid) do
    with {:ok, stat} <- File.read("/proc/#{pid}/stat"),
         fields when is_binary(fields) <- stat |> String.split(") ") |> List.last(),
         {:ok, started} <- fields |> String.split(" ") |> Enum.fetch(19) do
      {:ok, started}
    else
      _gone -> :error
    end
  end
end
