/// First-word-fall-through queue whose storage maps to a block RAM.
///
/// The RAM is read into the output register ahead of time, so the RAM needs only a
/// synchronous read port. A word put in appears two cycles later at the earliest; one
/// word a cycle in and out after that. No path from any input to an output in the same
/// cycle: `in_ready_o` is low only while Depth words are held, even if one leaves.
module spacc_fifo #(
  parameter  int unsigned Width      = 64, // bits of a word
  parameter  int unsigned Depth      = 32, // words held at most, 2 or more
  localparam int unsigned LevelWidth = $clog2(Depth + 1)
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,      // synchronous, active low
  input  logic                  in_valid_i,
  output logic                  in_ready_o,
  input  logic [Width-1:0]      in_data_i,
  output logic                  out_valid_o,
  input  logic                  out_ready_i,
  output logic [Width-1:0]      out_data_o,
  output logic [LevelWidth-1:0] level_o      // words accepted and not yet taken
);

  localparam int unsigned PtrWidth = $clog2(Depth);

  logic [Width-1:0]      memory [0:Depth-1];
  logic [PtrWidth-1:0]   write_q, read_q;
  logic [LevelWidth-1:0] level_q;
  logic                  put, take, fetch, stored;

  assign put    = in_valid_i && in_ready_o;
  assign take   = out_valid_o && out_ready_i;
  assign stored = level_q != {{(LevelWidth-1){1'b0}}, out_valid_o}; // words in the RAM
  assign fetch  = stored && (!out_valid_o || out_ready_i);

  assign in_ready_o = level_q != LevelWidth'(Depth);
  assign level_o    = level_q;

  function automatic logic [PtrWidth-1:0] next(input logic [PtrWidth-1:0] pointer);
    next = pointer == PtrWidth'(Depth - 1) ? {PtrWidth{1'b0}} : pointer + 1'b1;
  endfunction

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q     <= '0;
      read_q      <= '0;
      level_q     <= '0;
      out_valid_o <= 1'b0;
    end else begin
      if (put)   write_q <= next(write_q);
      if (fetch) read_q  <= next(read_q);
      if (put && !take)      level_q <= level_q + 1'b1;
      else if (take && !put) level_q <= level_q - 1'b1;
      if (fetch)             out_valid_o <= 1'b1;
      else if (out_ready_i)  out_valid_o <= 1'b0;
    end
  end

  // The read comes first, then a blocking write: same RAM, and Verilator needs no copy.
  /* verilator lint_off BLKSEQ */
  always_ff @(posedge clk_i) begin
    if (fetch) out_data_o <= memory[read_q];
    if (put)   memory[write_q] = in_data_i;
  end
  /* verilator lint_on BLKSEQ */

`ifndef SYNTHESIS
  initial assert (Depth >= 2) else $fatal(1, "Depth must be 2 or more");

  // Immediate, not concurrent: simulators copy what the latter look at in every cycle. Of a
  // wide word the low bits stand for it.
  localparam int unsigned Low = Width < 64 ? Width : 64;
  logic [Low-1:0] in_held_q, out_held_q;
  logic           in_waits_q, out_waits_q;
  always_ff @(posedge clk_i) begin
    in_waits_q  <= rst_ni && in_valid_i && !in_ready_o;
    out_waits_q <= rst_ni && out_valid_o && !out_ready_i;
    if (in_valid_i)  in_held_q  <= in_data_i[Low-1:0];
    if (out_valid_o) out_held_q <= out_data_o[Low-1:0];
    if (rst_ni) begin
      LevelFits: assert (level_q <= LevelWidth'(Depth)) else $error("level is above the depth");
      if (out_waits_q)
        OutHolds: assert (out_valid_o && out_data_o[Low-1:0] == out_held_q)
            else $error("word changed before it was taken");
      if (in_waits_q)
        InHolds: assert (in_valid_i && in_data_i[Low-1:0] == in_held_q)
            else $error("producer changed a word before it was taken");
    end
  end
`endif

endmodule
